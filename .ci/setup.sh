# What ./run, ./test and deploy/kafka have in common: Debian packages, compilers, Rust. Sourced, not run. It says what it installs,
# does nothing that is done already, and never asks.

RUST_NEEDED=1.95

say() { printf '==> %s\n' "$*" >&2; }

give_up() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# install_packages NAME...: Debian packages, as root or through sudo without a password.
install_packages() {
    local sudo=()
    command -v apt-get >/dev/null || give_up "please install: $* (no apt-get here to do it)"
    if [ "$(id -u)" -ne 0 ]; then
        sudo=(sudo -n)
        sudo -n true 2>/dev/null || give_up "please run: sudo apt-get install -y $*"
    fi
    say "installing Debian packages: $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null
}

# need_commands PACKAGE=COMMAND...: installs the packages whose command is missing.
need_commands() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair#*=}" >/dev/null || missing+=("${pair%%=*}")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

need_rust() {
    local found
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    local how="get Rust $RUST_NEEDED or newer from https://rustup.rs, or with \`rustup update stable\`"
    command -v cargo >/dev/null && command -v rustc >/dev/null || give_up "there is no Rust here; $how"
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$RUST_NEEDED" "$found" | sort -V | head -n1)" = "$RUST_NEEDED" ] ||
        give_up "Rust $found is too old; $how"
}

need_compilers() {
    need_commands gcc=gcc g++=g++ make=make pkg-config=pkg-config
    need_libraries zlib1g-dev=zlib libssl-dev=openssl
}

# need_libraries PACKAGE=NAME...: installs the packages of those that pkg-config does not find. Kafka's client is
# compiled against them.
need_libraries() {
    local pair missing=()
    for pair in "$@"; do
        pkg-config --exists "${pair#*=}" || missing+=("${pair%%=*}")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}
