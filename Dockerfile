# Multicast does not cross a bridge: run with `--network host`, or name peers with `--peer`.
#   docker build -t lanspread-peer .
#   docker run --network host -v /srv/games:/games -v lanspread-state:/state lanspread-peer
# /games must be writable by uid 10001.
# Or `make image`, which takes docker or buildah. PYTHON_IMAGE is any Debian with python3 (3.11 or
# newer) and its venv; PIP_INDEX_URL another index than the public one.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
WORKDIR /src
COPY requirements/ requirements/
# What builds is kept apart too: Debian's own Python takes no packages but Debian's.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python3 -m venv --without-pip /opt/lanspread \
    && /opt/build/bin/pip --python /opt/lanspread/bin/python \
        install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY sidecar/ sidecar/
COPY clients/python/ clients/python/
COPY proto/python/ proto/python/
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && /opt/build/bin/pip --python /opt/lanspread/bin/python \
        install --no-cache-dir --no-deps --no-index /tmp/wheels/*.whl

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/lanspread /opt/lanspread
ENV PATH=/opt/lanspread/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 lanspread \
    && useradd --uid 10001 --gid lanspread --no-create-home --home-dir /state lanspread \
    && install -d -o lanspread -g lanspread /games \
    && install -d -o lanspread -g lanspread -m 0700 /state
USER 10001:10001
VOLUME ["/games", "/state"]
EXPOSE 26789/udp 26789/tcp
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s \
    CMD ["lanspread-peer", "healthcheck", "--state-dir", "/state"]
ENTRYPOINT ["lanspread-peer"]
CMD ["serve", "--game-dir", "/games", "--state-dir", "/state"]
