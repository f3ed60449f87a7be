#!/usr/bin/env bash
# Debian's packages that building needs, or those that are named: installed when run as root, otherwise the command to
# run is printed.
set -euo pipefail

packages=("$@")
[ $# -gt 0 ] || packages=(g++ cmake ninja-build python3-venv python3-dev libopencv-dev zlib1g-dev)

if ! command -v dpkg-query >/dev/null; then
  echo "Not a Debian system, so nothing was installed. Needed is what Debian calls: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
  echo "These packages are missing. Install them, then run make again:" >&2
  echo "  sudo sh -c '$install'" >&2
  exit 1
fi
echo "Installing ${missing[*]}"
DEBIAN_FRONTEND=noninteractive sh -c "$install" >/dev/null
