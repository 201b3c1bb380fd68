# Multicast does not cross a bridge: run with `--network host`, or name peers with `--peer`.
#   docker build -t lanspread-peer .
#   docker run --network host -v /srv/games:/games -v lanspread-state:/state lanspread-peer
# /games must be writable by uid 10001.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python -m venv /opt/lanspread \
    && /opt/lanspread/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY sidecar/ sidecar/
COPY clients/python/ clients/python/
COPY proto/python/ proto/python/
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && /opt/lanspread/bin/pip install --no-cache-dir --no-deps --no-index /tmp/wheels/*.whl

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
