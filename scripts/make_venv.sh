#!/usr/bin/env bash
# make_venv.sh full|light FOLDER: a virtual environment with the versions of requirements.lock.
# `full` holds every extra and every tool, `light` what the reproduction of the paper needs.
set -euo pipefail
kind=$1 venv=$2
find_links=${PIP_FIND_LINKS:-}
export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_FIND_LINKS=${find_links// /,} UV_LINK_MODE=copy

pip_install() { "$venv/bin/python" -m pip install -q "$@"; }

# uv takes a third of pip's time, but reads none of pip's settings: where torch would have to come
# from an index, pip knows which one.
install() {
    if [[ $kind == light || -n $UV_FIND_LINKS ]] && pip_install "$(grep '^uv==' requirements.lock)"
    then
        "$venv/bin/uv" pip install -q --python "$venv/bin/python" "$@" && return
    fi
    pip_install --no-compile "$@"
}

[[ -x $venv/bin/python ]] || "${PYTHON:-python3}" -m venv "$venv"
if [[ $kind == light ]]; then
    install -c requirements.lock -e '.[report]'
else
    install --no-deps -r requirements.lock
    # A torch built for CUDA needs libraries that the lock, made for any machine, leaves out.
    "$venv/bin/python" -m pip check >/dev/null || pip_install -r requirements.lock
    install --no-deps --no-build-isolation -e .
    "$venv/bin/python" -m pip check
fi
touch "$venv/.ready"
