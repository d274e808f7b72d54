# shellcheck shell=bash disable=SC2034
# Sourced by the lints.
set -euo pipefail
source_root=$1
build_root=$2
cd "$source_root"

# need PROGRAM...: skips the lint, and names what is missing
need() {
    local program
    for program; do
        if ! command -v "$program" >/dev/null; then
            echo "skipped: $program is not installed (tools/install-build-deps installs it)"
            exit 77
        fi
    done
}

# product_c: the C that ships, and all_c: that of the tests too
product_c() { find common generator helper -name '*.[ch]' | sort; }
all_c() { find common generator helper tests -name '*.[ch]' | sort; }

# scripts INTERPRETER-PATTERN: text files whose first line names such an interpreter
scripts() {
    local file line
    while read -r file; do
        line=
        IFS= read -r -n 200 line <"$file" 2>/dev/null || true
        if [[ $line =~ ^'#!'.*$1 || $line =~ "shellcheck shell="$1 ]]; then
            echo "$file"
        fi
    done < <(find .ci completion tests tools -type f ! -name '*.[ch]' ! -name '*.pyc' 2>/dev/null | sort)
}
