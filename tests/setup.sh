#!/bin/sh
# Makes the environment that the tests run in: .venv with the development tools, and the Debian packages that the tests
# start or feed: a RabbitMQ broker, the engines of coordination (etcd, Redis), openssl for certificates, the shells whose
# completion is tested, and systemd, whose tools check the units.
# Needs root only if one of these packages is missing.
set -eu
cd "$(dirname "$0")/.."

missing=
for package in rabbitmq-server etcd-server redis-server openssl zsh fish systemd; do
  case $(dpkg-query --show --showformat='${Status}' "$package" 2> /dev/null) in
    *' installed') ;;
    *) missing="$missing $package" ;;
  esac
done
if [ -n "$missing" ] && [ "$(id -u)" -ne 0 ]; then
  echo "$0: needs root to install what the tests need and this machine lacks:$missing" >&2
  echo "Run once as root: apt-get install --no-install-recommends$missing" >&2
  exit 1
fi
if [ -n "$missing" ]; then
  # The tests start brokers of their own; the machine must not get one that runs all the time. A machine that has a
  # policy about its services keeps it.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
  fi
  apt-get update -q
  # Unquoted, since it is a list of names.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --editable '.[dev]'
