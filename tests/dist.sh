#!/bin/sh
# Builds the sdist, the wheel from it, and runs the sdist's tests once with the installed wheel and
# the oldest versions of what it needs.
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
"$python" "$root/tests/oldest.py" > "$folder/oldest.txt"
"$folder/venv/bin/python" -m pip install --quiet "$(echo "$folder"/hinton06-*.whl)[dev]" \
    --constraint "$folder/oldest.txt"
cd "$folder/source"
PATH=$folder/venv/bin:$PATH "$folder/venv/bin/python" -m pytest --quiet \
    -n auto --maxprocesses 8 --dist loadfile
