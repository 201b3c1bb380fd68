#!/usr/bin/env bash
# Runs the container image IMAGE as it would run by itself, but on loopback only, until the command
# of its HEALTHCHECK answers; then ends it, which must be clean.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/container_engine.sh

TRIES=120

# The words of a list of the image's configuration, one a line.
words_of() {
    local format="{{range .Config.$1}}{{println .}}{{end}}"
    if [ "$engine" = docker ]; then
        docker image inspect --format "$format" "$image"
    else
        buildah inspect --type image --format "${format/.Config/.Docker.Config}" "$image"
    fi | sed '/^$/d'
}

start() {
    if [ "$engine" = docker ]; then
        container=$(docker run --detach --network none "$image" "${arguments[@]}")
    else
        container=$(buildah from "$image")
        buildah run "$container" -- "${program[@]}" "${arguments[@]}" &
        running=$!
    fi
}

inside() {
    if [ "$engine" = docker ]; then
        docker exec "$container" "$@"
    else
        buildah run "$container" -- "$@"
    fi
}

exit_code() {
    if [ "$engine" = docker ]; then
        docker wait "$container"
    else
        wait "$running" && echo 0 || echo $?
    fi
}

remove() {
    if [ "$engine" = docker ]; then
        docker rm --force "$container" >/dev/null
    else
        kill "$running" 2>/dev/null || true
        wait "$running" 2>/dev/null || true
        buildah rm "$container" >/dev/null
    fi
}

mapfile -t program < <(words_of Entrypoint)
mapfile -t arguments < <(words_of Cmd)
arguments+=(--bind 127.0.0.1 --port 0 --no-mdns)
# Its first word says that the others are a command and its arguments.
mapfile -t health < <(words_of Healthcheck.Test | tail -n +2)
[ "${#health[@]}" -gt 0 ] || { echo "the image has no health check" >&2; exit 1; }

start
trap remove EXIT
for ((try = 1; ; try++)); do
    if inside "${health[@]}" 2>/dev/null; then
        break
    fi
    [ "$try" -lt "$TRIES" ] || { echo "its health check does not answer" >&2; exit 1; }
    sleep 0.5
done
[ "$(inside id -u)" != 0 ] || { echo "it runs as root" >&2; exit 1; }
inside lanspread --state-dir /state status
inside lanspread --state-dir /state shutdown
code=$(exit_code)
[ "$code" = 0 ] || { echo "it ended with $code" >&2; exit 1; }
echo "the image serves, is healthy, and ends cleanly"
