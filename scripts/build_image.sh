#!/usr/bin/env bash
# Builds the container image with docker or buildah. From the environment: IMAGE, the name it gets;
# PYTHON_IMAGE, what it is built on; PIP_INDEX_URL, where packages come from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/container_engine.sh

options=(--tag "$image")
for name in PYTHON_IMAGE PIP_INDEX_URL; do
    if [ -n "${!name:-}" ]; then
        options+=(--build-arg "$name=${!name}")
    fi
done
if [ "$engine" = buildah ]; then
    # The other format has no place for a health check.
    options+=(--format docker)
fi
"$engine" build "${options[@]}" .
