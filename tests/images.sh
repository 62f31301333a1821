#!/usr/bin/env bash
# Builds both images as the README says, and runs the container tests in their own root filesystems. Needs root, and one of
# docker, podman and buildah that has the base image or can pull it. Options are handed on to the build:
#   tests/images.sh --network=host
# Without this the same tests run with the filesystem of the machine, as far as it goes, in place of an image's.
set -euo pipefail
cd "$(dirname "$0")/.."

for engine in docker podman buildah none; do
  if command -v "$engine" > /dev/null && "$engine" info > /dev/null 2>&1; then break; fi
done
if [ "$engine" = none ]; then
  echo "$0: neither docker, podman nor buildah works here, so no image was built and none tested" >&2
  exit 1
fi

build=build
[ "$engine" = buildah ] && build=bud
revision=$(git rev-parse HEAD)
images=$(mktemp -d)
trap 'rm -rf "$images"' EXIT
for daemon in updates_bulk:concertim_bulk_updates updates_mq:concertim_mq_listener; do
  file=Dockerfiles/Dockerfile.${daemon%:*}
  name=${daemon#*:}
  "$engine" "$build" "$@" --tag "$name" --tag "$name:test" --build-arg BUILD_VERSION=test \
    --build-arg "BUILD_REVISION=$revision" --build-arg BUILD_DATE=2024-01-01T00:00:00Z --file "$file" .
  mkdir "$images/${daemon%:*}"
  if [ "$engine" = buildah ]; then
    container=$(buildah from --pull-never "$name")
    cp -a "$(buildah mount "$container")/." "$images/${daemon%:*}"
    labels=$(buildah inspect --type image "$name")
  else
    container=$("$engine" create "$name")
    "$engine" export "$container" | tar --extract --directory "$images/${daemon%:*}"
    labels=$("$engine" inspect "$name")
  fi
  "$engine" rm "$container" > /dev/null
  for label in "image.version\": \"test" "image.revision\": \"$revision" "image.created\": \"2024-01-01T00:00:00Z"; do
    grep --quiet --fixed-strings "$label" <<< "$labels" || { echo "$0: $name lacks the label $label\"" >&2; exit 1; }
  done
done
COS_UPDATE_TEST_IMAGES=$images .venv/bin/python -m pytest -q tests/integration/containers
