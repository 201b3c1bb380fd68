# To be sourced: sets `engine`, the program that builds and runs images here, and `image`.

image=${IMAGE:-lanspread-peer:latest}

# The client alone is often there without an engine to talk to.
if docker info >/dev/null 2>&1; then
    engine=docker
elif command -v buildah >/dev/null; then
    engine=buildah
    # Needs no runtime for containers, and works inside of one.
    export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
else
    echo "needs a running docker, or buildah" >&2
    exit 1
fi
