#!/usr/bin/env bash
# Makes an image of a minimal Debian with Python, by debootstrap, from where this system's own
# packages come; for machines that reach no registry of images. Needs root. Its name is
# PYTHON_IMAGE, for build_image.sh to take.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/container_engine.sh
: "${PYTHON_IMAGE:?the name that the image gets}"

suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Identifier: Packages' |
    awk -v suite="$suite" '$2 == suite { print $1; exit }')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/root

debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$suite" "$root" "$mirror"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
# The image reaches a package index by the same way as this system, so it trusts the same ones.
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
fi

if [ "$engine" = docker ]; then
    tar -C "$root" -c . | docker import - "$PYTHON_IMAGE"
else
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$root" /
    buildah commit --quiet --rm "$container" "$PYTHON_IMAGE"
fi
