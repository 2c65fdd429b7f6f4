# One image for every service; the command chooses which. Non-root; only /tmp and /models are written to; no pip, no
# compiler in it. `make image BASE=python:3.11-slim-bookworm@sha256:...` builds it on a base that can't change.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# TORCH_INDEX: where torch and torchvision come from, both from the same one. https://download.pytorch.org/whl/cpu has
# them without CUDA; empty: from where everything comes, which is PyPI and its CUDA builds.
ARG TORCH_INDEX=""
# PIP_OPTIONS: for everything, e.g. --index-url of a mirror.
ARG PIP_OPTIONS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PATH=/opt/unmask/bin:$PATH
RUN python3 -m venv /opt/unmask
WORKDIR /app

# Dependencies first, the largest before all: a change of our code or of a text does not install torch again.
COPY pyproject.toml ./
RUN python3 -c "import tomllib; named = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
        print(*(one for one in named if one.startswith('torch')), sep='\n')" > torch.txt \
    && pip install ${PIP_OPTIONS} ${TORCH_INDEX:+--index-url ${TORCH_INDEX}} -r torch.txt
RUN mkdir wire streamer worker dashboard unmask && touch README.md LICENSE \
    && pip install ${PIP_OPTIONS} . \
    && pip uninstall -y unmask
COPY README.md LICENSE ./
COPY wire wire
COPY streamer streamer
COPY worker worker
COPY dashboard dashboard
COPY unmask unmask
RUN pip install ${PIP_OPTIONS} --no-deps . && pip uninstall -y pip

FROM ${BASE}
# The base's own pip (python:* has one under /usr/local) is of no use to a service, and of use to an intruder. Nor does
# python:* bring its library compiled, and a container with a read-only root would compile it at each health check.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin unmask \
    && install -d -o unmask -g unmask /models \
    && { python3 -m pip uninstall -y --break-system-packages pip setuptools wheel 2>/dev/null || true; } \
    && python3 -m compileall -q "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/unmask /opt/unmask
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/unmask/bin:$PATH UNMASK_MODELS=/models \
    XDG_CACHE_HOME=/models MPLCONFIGDIR=/tmp
USER 10001
WORKDIR /etc/unmask
ENTRYPOINT ["unmask"]
CMD ["--help"]
