#!/bin/sh
# Installs what the tests (or a bare Debian) need from Debian's packages, when it may; says what is missing when it may not.
#   install-system.sh venv    python3-venv
#   install-system.sh test    the RTSP test server, the browser, an X display, the MQTT broker, Redis with TLS, npm, promtool and curl
set -eu

rtsp="gir1.2-gst-rtsp-server-1.0 python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good
gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-rtsp"

case "${1:-}" in
venv) wanted="python3-venv" ;;
test) wanted="$rtsp chromium xvfb mosquitto openssl redis-tools glib-networking prometheus curl unzip" ;;
*) echo "usage: $0 venv|test" >&2; exit 2 ;;
esac

# Node.js from elsewhere brings its own npm, and Debian's can't be installed beside it.
[ "$1" != test ] || command -v npm >/dev/null || wanted="$wanted npm"

missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "no apt-get here; the tests that need these are skipped:$missing" >&2
elif [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo="sudo"
else
    echo "not allowed to install packages; for all tests run: sudo apt-get install --no-install-recommends$missing" >&2
    [ "$1" = test ] && exit 0 || exit 1
fi
if [ "${sudo-none}" = none ]; then [ "$1" = test ] && exit 0 || exit 1; fi

echo "installing from Debian's packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null; }; then
    echo "could not install:$missing; the tests that need them are skipped" >&2
    [ "$1" = test ] && [ "${CI:-}" != true ] && exit 0 || exit 1
fi
