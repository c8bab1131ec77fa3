#!/usr/bin/env bash
# Debian's Chromium for the tests of the dashboard, where there is none and this user may install it.
# Elsewhere those tests are skipped and say so; with CI set they fail instead.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "no Chromium: tests of the dashboard in a browser will be skipped" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y --no-install-recommends chromium >/dev/null; }
install || { apt-get update >/dev/null && install; }
