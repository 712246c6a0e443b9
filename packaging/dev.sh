#!/usr/bin/env bash
# From a fresh clone to a running Tidegate: makes .venv, installs what is missing, then does what was asked.
#
#   bash packaging/dev.sh run [ARGS]     the demo in the real application (tidegate demo ARGS)
#   bash packaging/dev.sh test [ARGS]    linters, type check and all tests; ARGS go to pytest
#   bash packaging/dev.sh setup          only the environment and system libraries for both
#   bash packaging/dev.sh bench [ARGS]   the table of measured budgets
#   bash packaging/dev.sh build          a wheel in dist/
#
# When nothing is missing it adds well under a second. TIDEGATE_PYTHON names the Python to use, if not the first good one.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
STAMP=$VENV/.tidegate-stamp
unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_REQUIRE_VIRTUALENV PIP_CONSTRAINT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf 'dev.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- System libraries -------------------------------------------------------------------------------------------------
# One line each: what to look for (a library's soname, a command, or a path that exists), then the package's name
# for apt, dnf and pacman. "-" means that it comes with another one there.

RUN_NEEDS='
libxcb.so.1              libxcb1              libxcb              libxcb
libxcb-cursor.so.0       libxcb-cursor0       xcb-util-cursor     xcb-util-cursor
libxcb-icccm.so.4        libxcb-icccm4        xcb-util-wm         xcb-util-wm
libxcb-image.so.0        libxcb-image0        xcb-util-image      xcb-util-image
libxcb-keysyms.so.1      libxcb-keysyms1      xcb-util-keysyms    xcb-util-keysyms
libxcb-render-util.so.0  libxcb-render-util0  xcb-util-renderutil xcb-util-renderutil
libxcb-randr.so.0        libxcb-randr0        libxcb              libxcb
libxcb-shape.so.0        libxcb-shape0        libxcb              libxcb
libxcb-shm.so.0          libxcb-shm0          libxcb              libxcb
libxcb-sync.so.1         libxcb-sync1         libxcb              libxcb
libxcb-xfixes.so.0       libxcb-xfixes0       libxcb              libxcb
libxcb-xkb.so.1          libxcb-xkb1          libxcb              libxcb
libX11-xcb.so.1          libx11-xcb1          libX11-xcb          libx11
libxkbcommon.so.0        libxkbcommon0        libxkbcommon        libxkbcommon
libxkbcommon-x11.so.0    libxkbcommon-x11-0   libxkbcommon-x11    libxkbcommon-x11
libEGL.so.1              libegl1              libglvnd-egl        libglvnd
libGL.so.1               libgl1               libglvnd-glx        libglvnd
libfontconfig.so.1       libfontconfig1       fontconfig          fontconfig
libdbus-1.so.3           libdbus-1-3          dbus-libs           dbus
libgthread-2.0.so.0      libglib2.0-0         glib2               glib2
/usr/share/fonts/*/*     fonts-dejavu-core    dejavu-sans-fonts   ttf-dejavu
'
DISPLAY_NEEDS='
Xvfb                     xvfb                 xorg-x11-server-Xvfb xorg-server-xvfb
'
TEST_NEEDS='
gcc                      gcc                  gcc                 gcc
/usr/include/stdio.h     libc6-dev            glibc-devel         glibc
openbox                  openbox              openbox             openbox
dbus-run-session         dbus                 dbus-daemon         dbus
dbus-send                dbus                 dbus-tools          dbus
dbus-launch              dbus-x11             dbus-x11            dbus
dunst                    dunst                dunst               dunst
/usr/lib/*/xfce4/notifyd/xfce4-notifyd xfce4-notifyd xfce4-notifyd xfce4-notifyd
xfce4-panel              xfce4-panel          xfce4-panel         xfce4-panel
xdotool                  xdotool              xdotool             xdotool
wmctrl                   wmctrl               wmctrl              wmctrl
import                   imagemagick          ImageMagick         imagemagick
xprop                    x11-utils            xprop               xorg-xprop
xsetroot                 x11-xserver-utils    xsetroot            xorg-xsetroot
/usr/share/icons/Adwaita adwaita-icon-theme   adwaita-icon-theme  adwaita-icon-theme
'

missing_packages() { # NEEDS COLUMN -> the names of missing packages, each once
  local what apt dnf pacman libraries
  libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null || true)
  while read -r what apt dnf pacman; do
    [ -n "$what" ] || continue
    case $what in
      /*) compgen -G "$what" >/dev/null && continue ;;
      *.so.*) [[ $libraries == *"$what"* ]] && continue ;;
      *) command -v "$what" >/dev/null && continue ;;
    esac
    case $2 in apt) echo "$apt" ;; dnf) echo "$dnf" ;; *) echo "$pacman" ;; esac
  done <<<"$1" | sort -u | tr '\n' ' '
}

install_line() { # MANAGER PACKAGES -> the line a person would type
  case $1 in
    apt) echo "sudo apt-get install --yes --no-install-recommends $2" ;;
    dnf) echo "sudo dnf install --assumeyes $2" ;;
    pacman) echo "sudo pacman -S --needed --noconfirm $2" ;;
  esac
}

apt_install() { # PACKAGES; true when they are there afterwards
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  # Lists are only fetched when the ones at hand do not do: they are missing in fresh containers, else rarely stale.
  # shellcheck disable=SC2086
  "${apt[@]}" install --yes --no-install-recommends $1 </dev/null >/dev/null 2>&1 && return 0
  # shellcheck disable=SC2086
  "${apt[@]}" update </dev/null >&2 && "${apt[@]}" install --yes --no-install-recommends $1 </dev/null >/dev/null
}

may_install() { [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; }

need() { # NEEDS: install what is missing, or say how and stop
  [ "$(uname -s)" = Linux ] || return 0
  local missing manager
  missing=$(missing_packages "$1" apt)
  [ -n "$missing" ] || return 0
  if command -v apt-get >/dev/null && may_install; then
    say "installing system packages: $missing"
    apt_install "$missing" || true
    missing=$(missing_packages "$1" apt)
    [ -n "$missing" ] || return 0
    die "apt could not install: $missing"
  fi
  say 'system packages are missing; install them with this line and call me again:'
  for manager in apt dnf pacman; do
    if command -v "${manager/apt/apt-get}" >/dev/null; then
      install_line "$manager" "$(missing_packages "$1" "$manager")" >&2
      exit 1
    fi
  done
  for manager in apt dnf pacman; do install_line "$manager" "$(missing_packages "$1" "$manager")" >&2; done
  exit 1
}

# --- Python -----------------------------------------------------------------------------------------------------------

good_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.maxsize < 2**32)' 2>/dev/null </dev/null; }

find_python() { # -> a Python of at least 3.11; every place on PATH counts, as a shim of pyenv may stand before a good one
  local name path
  for name in ${TIDEGATE_PYTHON:+"$TIDEGATE_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
    while read -r path; do
      if [ -n "$path" ] && good_python "$path"; then echo "$path"; return; fi
    done <<<"$(type -aP "$name")"
  done
  die 'Tidegate needs Python 3.11 or newer, and none was found; install one, or set TIDEGATE_PYTHON to it.'
}

make_venv() {
  local python
  python=$(find_python) || exit 1
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then # Debian keeps them apart
    if command -v apt-get >/dev/null && may_install; then
      apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" || true
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
      die "$python cannot make virtual environments; install its venv module: sudo apt-get install python3-venv"
  fi
  say "making .venv with $("$python" -V)"
  "$python" -m venv --clear "$VENV" </dev/null
}

fingerprint() { # what the environment was made from; another value means it must be brought up to date
  cat "$ROOT/pyproject.toml" "$ROOT/packaging/constraints.txt" "$ROOT/packaging/dev.sh" | cksum
  echo "$ROOT"
  "$VENV/bin/python" -V 2>&1
}

setup_python() {
  if ! [ -f "$STAMP" ] || [ "$(fingerprint)" != "$(cat "$STAMP")" ]; then install_packages; fi
  # Where PYTHONDONTWRITEBYTECODE is set, every start of the command line would compile our modules again.
  "$VENV/bin/python" -m compileall -q "$ROOT/app" </dev/null || true
}

pip_install() {
  "$VENV/bin/python" -m pip install --quiet --no-user --no-warn-script-location \
    -c "$ROOT/packaging/constraints.txt" "$@" </dev/null || die 'pip could not install the Python packages, see above.'
}

install_packages() {
  "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
  say 'installing Python packages (the first time takes a minute or two)'
  # pip first: an older one writes start scripts that cost the command line a third of its start-up budget.
  pip_install pip
  # Nothing here needs setuptools, and its .pth is read at every start of Python.
  "$VENV/bin/python" -m pip uninstall --quiet --yes setuptools </dev/null 2>/dev/null
  local development
  development=$("$VENV/bin/python" -c "import tomllib; print(*tomllib.load(open('$ROOT/pyproject.toml', 'rb'))['dependency-groups']['dev'])")
  # shellcheck disable=SC2086
  pip_install $development
  # The build tool came with the line before, pinned; an isolated build would fetch whatever is newest.
  pip_install --no-build-isolation -e "$ROOT"
  fingerprint >"$STAMP.new" && mv "$STAMP.new" "$STAMP"
}

# --- Verbs ------------------------------------------------------------------------------------------------------------

run_tests() {
  cd "$ROOT"
  local failed=() rc=0
  "$VENV/bin/ruff" check . || failed+=('ruff check')
  "$VENV/bin/ruff" format --check --quiet . || failed+=('ruff format --check')
  "$VENV/bin/mypy" || failed+=('mypy')
  # By file on two workers, which is what the time budget is for; with ARGS as they say, so that -x and --pdb work.
  [ $# -gt 0 ] || set -- -n 2 --dist loadfile
  "$VENV/bin/python" -m pytest "$@" || rc=$?
  if [ ${#failed[@]} -gt 0 ]; then
    for check in "${failed[@]}"; do say "$check found something, see above."; done
    [ $rc -ne 0 ] || rc=1
  fi
  return $rc
}

has_display() { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; }

main() {
  local verb=${1:-}
  [ $# -eq 0 ] || shift
  case $verb in
    run)
      need "$RUN_NEEDS$(has_display || echo "$DISPLAY_NEEDS")"
      setup_python
      exec "$VENV/bin/tidegate" demo "$@"
      ;;
    test)
      need "$RUN_NEEDS$DISPLAY_NEEDS$TEST_NEEDS"
      setup_python
      run_tests "$@"
      ;;
    setup)
      need "$RUN_NEEDS$DISPLAY_NEEDS$TEST_NEEDS"
      setup_python
      say "ready: $VENV/bin/tidegate"
      ;;
    bench)
      need "$RUN_NEEDS$DISPLAY_NEEDS"
      setup_python
      cd "$ROOT"
      exec "$VENV/bin/python" -m tests.benchmarks.bench "$@"
      ;;
    build)
      setup_python
      cd "$ROOT"
      exec "$VENV/bin/python" -m hatchling build -t wheel -d dist
      ;;
    *)
      sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
      exit 2
      ;;
  esac
}

main "$@"
