#!/bin/sh
# Builds the sdist, the wheel from it, and runs the sdist's tests once with the installed wheel.
set -eu
python=${PYTHON:-python3}
root=$(dirname "$0")/..
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m build --outdir "$folder" "$root"
mkdir "$folder/source"
tar -xzf "$folder"/hinton06-*.tar.gz -C "$folder/source" --strip-components=1
# Without it the folder is no package, and the installed one is imported; the docs' tests read it.
rm "$folder/source/hinton06/__init__.py"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "$(echo "$folder"/hinton06-*.whl)[dev]"
cd "$folder/source"
PATH=$folder/venv/bin:$PATH "$folder/venv/bin/python" -m pytest --quiet \
    -n auto --maxprocesses 8 --dist loadfile
