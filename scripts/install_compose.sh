#!/bin/sh
# Puts the real Docker Compose at $1, for the tests of docker-compose.yml: 13 MB, once; no daemon is needed to read a file.
# It is of Debian's package, which bookworm does not have yet (only Compose 1, which refuses files of today): so it is
# taken from trixie, on the mirror that this machine uses, and without a change to what apt knows.
set -eu
place="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
[ ! -x "$place" ] || exit 0

fail() { echo "no Docker Compose ($1); the tests that need it are skipped" >&2; exit 1; }
command -v apt-get >/dev/null || fail "no apt-get here"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keys" ] || fail "not Debian: put docker-compose at $place"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $(. /etc/os-release; echo "$VERSION_CODENAME")" | head -n 1)
[ -n "$mirror" ] || fail "apt knows no mirror"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/package"
echo "deb [signed-by=$keys] $mirror trixie main" > "$folder/sources.list"
cat > "$folder/apt.conf" <<CONF
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$folder/lists";
Dir::Cache "$folder";
Dir::Cache::archives "$folder/archives";
APT::Sandbox::User "";
Acquire::Languages "none";
CONF
cd "$folder"
APT_CONFIG="$folder/apt.conf" apt-get update -qq >"$folder/log" 2>&1 \
    && APT_CONFIG="$folder/apt.conf" apt-get download -qq docker-compose >>"$folder/log" 2>&1 \
    || { cat "$folder/log" >&2; fail "apt could not get it"; }
dpkg-deb -x docker-compose_*.deb package
mv "$(find package -type f -name docker-compose -path '*cli-plugins*')" "$place.part"
chmod 755 "$place.part"
mv "$place.part" "$place"
