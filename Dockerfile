# One image for every service; the command chooses which. Non-root, nothing is written but /tmp and /models.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# PIP_OPTIONS: e.g. --index-url for a mirror, or an index of smaller CPU builds of torch and torchvision.
ARG PIP_OPTIONS=""
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/unmask/bin:$PATH

RUN useradd --uid 10001 --create-home unmask \
    && install -d -o unmask -g unmask /models \
    && python3 -m venv /opt/unmask
WORKDIR /app

# Dependencies first: a change of our code or of a text does not install torch again.
COPY pyproject.toml ./
RUN mkdir wire streamer worker dashboard unmask && touch README.md LICENSE \
    && pip install --no-cache-dir ${PIP_OPTIONS} . \
    && pip uninstall -y unmask
COPY README.md LICENSE ./
COPY wire wire
COPY streamer streamer
COPY worker worker
COPY dashboard dashboard
COPY unmask unmask
RUN pip install --no-cache-dir ${PIP_OPTIONS} --no-deps . && rm -rf /app/*

USER unmask
ENV UNMASK_MODELS=/models XDG_CACHE_HOME=/models
WORKDIR /etc/unmask
ENTRYPOINT ["unmask"]
CMD ["--help"]
