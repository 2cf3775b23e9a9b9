#!/usr/bin/env bash
# Several real systemd hosts on one machine, without virtual machines: each is systemd as PID 1 of its own pid, mount, uts,
# ipc, network and cgroup namespaces, on an overlay over one shared image. lab/main.ts puts fleet into them; docs/lab.md explains.
# Invariant: `down` finds everything by its name, never by what the state says, so that it cleans up after an `up` killed midway.
#
#   lab.sh deps                       install the Debian packages that this script needs
#   lab.sh image                      build the image (done by `up` when it is missing)
#   lab.sh net                        make the bridge (done by `up`); prints the first three numbers of its addresses
#   lab.sh up N                       boot h1..hN and wait until each is up
#   lab.sh exec HOST CMD...           run CMD on HOST, as root
#   lab.sh cut|heal HOST [PEER|in|out]    drop all of HOST's packets, those to and from PEER, or those one way; undo it
#   lab.sh kill HOST                  power cut: every process gone at once, the disk stays
#   lab.sh halt|boot HOST             orderly shutdown; power on again (same disk, machine-id, address)
#   lab.sh wipe HOST                  power cut, and its disk is gone; the next `up` makes it anew (same address only)
#   lab.sh etcd start|kill|stop|pause|resume    the shared etcd, on the bridge's own address
#   lab.sh ls                         hosts, state, address, machine-id, D-Bus address for use from outside
#   lab.sh down                       remove every host, and all that they left (the image stays)
#   lab.sh clean                      down, and remove the images too
#
# Environment:
#   LAB       name: 1 to 8 letters and digits (default lab); labs of other names do not meet it
#   LAB_HOME  where disks and images are (default /var/lib/fleet-lab): ext4, xfs, btrfs or tmpfs
#   LAB_ROOT  image root (default: built by mmdebstrap); / takes this machine's own root
#   LAB_PKGS  packages in the image
#   LAB_BIND  lines of SRC[:DST], shown in every host, read-only
#   LAB_SEED  directory whose all/ and HOST/ are copied onto the disk of a new host
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

LAB=${LAB:-lab}
LAB_HOME=${LAB_HOME:-/var/lib/fleet-lab}
# libatomic1, libstdc++6: what Node needs
LAB_PKGS=${LAB_PKGS:-systemd systemd-sysv dbus iproute2 iputils-ping procps nftables busybox-static libatomic1 libstdc++6 openssh-server sudo}
LAB_ROOT=${LAB_ROOT:-$LAB_HOME/image-$(echo "$LAB_PKGS" | sha256sum | cut -c1-12)}
LAB_BIND=${LAB_BIND:-}
LAB_SEED=${LAB_SEED:-}
LAB_TIMEOUT=${LAB_TIMEOUT:-60}            # seconds that a host may take to boot or to halt
SELF=$(readlink -f "$0")
DIR=$LAB_HOME/$LAB
CG=/sys/fs/cgroup
BRIDGE=$LAB-br                            # at most 15 characters
TABLE=fleet_lab_$LAB
exec {NAP}<> <(:)                         # never has anything to read

die() { echo "lab: $*" >&2; exit 1; }
nap() { read -rt "$1" -u "$NAP" || true; }  # seconds; a `sleep` is a process, and on a busy machine dozens of them hold up what they wait for
hosts() { [ ! -d "$DIR" ] || find "$DIR" -maxdepth 1 -name 'h[0-9]*' -printf '%f\n' | sort -V; }
need_host() { [[ ${1:-} =~ ^h[0-9]+$ ]] || die "HOST is h1, h2, ..."; [ -d "$DIR/$1" ] || die "there is no host '$1': see ls"; }
net() { local n; read -r n < "$DIR/net"; echo "$n"; }
addr() { local n; read -r n < "$DIR/net"; echo "$n.$((10 + ${1#h}))"; }
mac() { printf '02:00:%02x:%02x:%02x:%02x' $(addr "$1" | tr . ' '); }  # stays over a reboot, as peers' ARP tables expect
port() { echo "$LAB-$1"; }                # the bridge's end of the host's cable
cg() { echo "fleet-lab.$LAB.$1"; }

# --- cgroups -----------------------------------------------------------------
# Each host lives in a cgroup of its own in every hierarchy. It must: systemd moves all processes of the cgroup that it
# starts in to /init.scope, so started in the outer machine's root cgroup it would carry off the whole machine.
HIERARCHIES=()
if [ -e $CG/cgroup.controllers ]; then HIERARCHIES=($CG); else
  for d in $CG/*/; do [ ! -e "$d/cgroup.procs" ] || HIERARCHIES+=("${d%/}"); done
fi

cgroup_make() { # NAME: make it in every hierarchy, its parent being there
  local h d c v
  mkdir -p "${HIERARCHIES[@]/%/"/$1"}"
  for h in "${HIERARCHIES[@]}"; do
    d=$h/$1
    if [ -e "$d/cpuset.cpus" ] && [ ! -e "$d/cgroup.controllers" ]; then  # v1 cpuset: useless until filled in
      for c in cpuset.cpus cpuset.mems; do read -r v < "${d%/*}/$c"; echo "$v" > "$d/$c"; done
    fi
    [ "$h" = $CG ] || continue                                            # v2 only: hand its parent's controllers down
    d=${d%/*}
    read -r v < "$d/cgroup.controllers" || v=
    for c in $v; do echo "+$c" > "$d/cgroup.subtree_control" || true; done 2> /dev/null
  done
}

cgroup_put() { # NAME PID
  local h
  for h in "${HIERARCHIES[@]}"; do echo "$2" > "$h/$1/cgroup.procs"; done
}

cgroup_join() { # PID: enter the same cgroup as PID in every hierarchy
  local id ctl path
  while IFS=: read -r id ctl path; do
    case $id:$ctl in
      0:) if [ -e $CG/cgroup.controllers ]; then ctl=; else ctl=unified; fi ;;
      *:name=*) ctl=${ctl#name=} ;;
    esac
    [ ! -e "$CG/$ctl/cgroup.procs" ] || echo $BASHPID > "$CG/$ctl$path/cgroup.procs"
  done < "/proc/$1/cgroup"
}

cgroup_pids() { # PATTERN
  find "${HIERARCHIES[@]}" -path "*/$1/*" -name cgroup.procs -exec cat {} + 2> /dev/null | sort -u
}

cgroup_kill() { # PATTERN: end every process in it
  local pids i
  for ((i = 0; i < 500; i++)); do
    pids=$(cgroup_pids "$1" || true)
    [ -n "$pids" ] || return 0
    kill -KILL $pids 2> /dev/null || true
    nap 0.02
  done
  die "still running:" $pids
}

cgroup_remove() { # NAME: remove it and all below (dying v1 cgroups are busy for some ms)
  local h i
  for h in "${HIERARCHIES[@]}"; do
    for ((i = 0; i < 100; i++)); do
      [ -d "$h/$1" ] || break
      find "$h/$1" -depth -type d -exec rmdir {} + 2> /dev/null || nap 0.05
    done
    [ ! -d "$h/$1" ] || die "cannot remove cgroup $h/$1"
  done
}

# --- image -------------------------------------------------------------------
NEEDS="mmdebstrap:mmdebstrap nft:nftables ip:iproute2 unshare:util-linux dbus-daemon:dbus-daemon busctl:systemd etcd:etcd-server etcdctl:etcd-client"

missing() { # the packages whose command is not there
  local n
  for n in $NEEDS; do command -v "${n%%:*}" > /dev/null || echo "${n#*:}"; done
}

cmd_deps() {
  local pkgs policy=/usr/sbin/policy-rc.d
  pkgs=$(missing | tr '\n' ' ')
  [ -n "$pkgs" ] || return 0
  command -v apt-get > /dev/null || die "needs ${pkgs% }, and there is no apt-get to install them"
  echo "lab: installing Debian packages: ${pkgs% }" >&2
  export DEBIAN_FRONTEND=noninteractive
  # etcd's package starts an etcd of its own; the lab wants only the program.
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy; chmod 755 $policy
    trap "rm -f $policy" EXIT
  fi
  { apt-get update -q && apt-get install -yq --no-install-recommends $pkgs; } > "/tmp/fleet-lab-apt.$$" 2>&1 \
    || { tail -20 "/tmp/fleet-lab-apt.$$" >&2; rm -f "/tmp/fleet-lab-apt.$$"; die "cannot install ${pkgs% }"; }
  rm -f "/tmp/fleet-lab-apt.$$"
}

cmd_image() (
  [ ! -e "$LAB_ROOT/sbin/init" ] || exit 0
  mkdir -p "$(dirname "$LAB_ROOT")"
  exec 9> "$LAB_ROOT.lock"; flock 9                     # another lab may be at it
  [ ! -e "$LAB_ROOT/sbin/init" ] || exit 0
  echo "lab: building the hosts' image, once (half a minute): $LAB_PKGS" >&2
  new=$LAB_ROOT.new; rm -rf "$new"
  # In a cgroup of its own, so that `down` finds what a killed `up` has left at work.
  cgroup_make "$(cg image)"
  (
    cgroup_put "$(cg image)" $BASHPID
    exec mmdebstrap --quiet --variant=apt --include="${LAB_PKGS// /,}" \
      --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      "$(. /etc/os-release; echo "$VERSION_CODENAME")" "$new" > "$LAB_ROOT.log" 2>&1 9>&-
  ) || { tail -20 "$LAB_ROOT.log" >&2; die "mmdebstrap failed, see $LAB_ROOT.log"; }
  cgroup_remove "$(cg image)"
  rm -f "$new/etc/machine-id" "$new/var/lib/dbus/machine-id"
  image_ssh "$new"
  mv -T "$new" "$LAB_ROOT"
)

# Where the image has sshd and sudo: a user `core`, who may do all, as fleetctl's --ssh-username has it by default.
image_ssh() { # DIR
  [ -e "$1/usr/sbin/sshd" ] && [ -e "$1/usr/bin/sudo" ] || return 0
  rm -f "$1"/etc/ssh/ssh_host_*                         # each host has its own, see host_ssh
  chroot "$1" useradd --create-home --shell /bin/bash --password '*' core
  echo 'core ALL=(ALL) NOPASSWD: ALL' > "$1/etc/sudoers.d/core"; chmod 440 "$1/etc/sudoers.d/core"
}

# --- network -----------------------------------------------------------------
cmd_net() (
  mkdir -p "$DIR"
  exec 9> "$LAB_HOME/net.lock"; flock 9                 # two labs must not take the same addresses
  if [ ! -e "$DIR/net.ready" ]; then
    network_remove
    n=$(($(echo "$LAB" | cksum | cut -d' ' -f1) % 256))
    while ip -4 -o addr | grep -qF " 10.77.$n."; do n=$(((n + 1) % 256)); done
    echo "10.77.$n" > "$DIR/net"
    # A bridge without an address of its own has one of its ports', and another when that host is killed: the other hosts
    # would then send to the old one for seconds.
    ip link add "$BRIDGE" address "$(printf '02:00:%02x:%02x:%02x:01' $(net | tr . ' '))" type bridge forward_delay 0
    ip addr add "$(net).1/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
    echo 0 > "/proc/sys/net/ipv4/conf/$BRIDGE/forwarding"          # nothing leaves the lab
    nft -f - << X
      table bridge $TABLE {
        set ports { type ifname; }
        set mute { type ifname; }
        set deaf { type ifname; }
        set pairs { type ether_addr . ether_addr; }
        chain in { type filter hook prerouting priority -300; iifname @ports drop; iifname @mute drop; }
        chain through { type filter hook forward priority 0; oifname @ports drop; oifname @deaf drop; ether saddr . ether daddr @pairs drop; }
        chain out { type filter hook output priority 0; oifname @ports drop; oifname @deaf drop; }
      }
X
    touch "$DIR/net.ready"
  fi
  net
)

network_remove() {
  local p
  for p in $(ip -o link show type veth | sed -n "s/^[0-9]*: \($LAB-h[0-9]*\)@.*/\1/p"); do ip link del "$p" 2> /dev/null || true; done
  for p in $(ip netns list | sed -n "s/^\($LAB-h[0-9]*\)\b.*/\1/p"); do ip netns del "$p" 2> /dev/null || true; done
  ip link del "$BRIDGE" 2> /dev/null || true
  nft delete table bridge "$TABLE" 2> /dev/null || true
}

# --- one host ----------------------------------------------------------------
in_cgroup() { # NAME: whether a process whose /proc/PID/cgroup is read is below it
  local line
  while read -r line; do [[ $line != *"/$1/"* ]] || return 0; done
  return 1
}

host_pid() { # HOST: the outer pid of its PID 1; fails when it is off
  local up init
  { read -r up < "$DIR/$1/pid"; } 2> /dev/null || return 1
  { read -rd ' ' init < "/proc/$up/task/$up/children"; } 2> /dev/null || return 1
  { in_cgroup "$(cg "$1")" < "/proc/$init/cgroup"; } 2> /dev/null && echo "$init"
}

bus() { echo "unix:path=$DIR/$1/bus/system_bus_socket"; }

host_state() { # HOST: off, or what systemd says: initializing starting running degraded stopping
  local s
  host_pid "$1" > /dev/null || { echo off; return; }
  s=$(timeout 5 busctl --address="$(bus "$1")" get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 \
    org.freedesktop.systemd1.Manager SystemState 2> /dev/null) || s='s "initializing"'
  s=${s#s \"}; echo "${s%\"}"
}

units_create() { # what every host's /etc/systemd/system starts with
  local u=$DIR/units l
  mkdir -p "$u"
  # Empty but for this, so that no package of the image starts by itself.
  ln -sf /lib/systemd/system/multi-user.target "$u/default.target"
  for l in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-udevd systemd-udev-trigger systemd-udev-settle \
    systemd-binfmt systemd-timesyncd systemd-logind systemd-update-utmp systemd-update-utmp-runlevel systemd-pcrphase \
    systemd-pcrphase-sysinit systemd-firstboot systemd-hwdb-update systemd-machine-id-commit getty-static console-getty; do
    ln -sf /dev/null "$u/$l.service"
  done
  for l in sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount sys-fs-fuse-connections.mount \
    proc-sys-fs-binfmt_misc.automount systemd-journald-audit.socket systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-initctl.socket getty.target systemd-tmpfiles-clean.timer systemd-ask-password-console.path systemd-ask-password-wall.path; do
    ln -sf /dev/null "$u/$l"
  done
}

host_create() { # HOST: its disk
  local d=$DIR/$1 n u l peer
  mkdir -p "$d"/{upper/etc/systemd/{journald.conf.d,system-generators},upper/var/log/journal,upper/root,bus,run,units,disk/etcd}
  tr -d - < /proc/sys/kernel/random/uuid > "$d/upper/etc/machine-id"
  echo "$1" > "$d/upper/etc/hostname"
  { echo "127.0.0.1 localhost"; n=$(net); for ((peer = 1; peer <= 99; peer++)); do echo "$n.$((10 + peer)) h$peer"; done; } > "$d/upper/etc/hosts"
  : > "$d/upper/etc/fstab"
  echo "$LAB_ROOT" > "$d/image"; echo "$LAB_BIND" > "$d/binds"   # what every later boot takes, whoever asks for it
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitIntervalSec=0\n' > "$d/upper/etc/systemd/journald.conf.d/lab.conf"
  # Each reload runs all generators, and these find nothing here: without them hosts take a quarter less processor time.
  for l in cryptsetup debug fstab getty gpt-auto hibernate-resume integritysetup rc-local run system-update sysv veritysetup; do
    ln -s /dev/null "$d/upper/etc/systemd/system-generators/systemd-$l-generator"
  done
  cp -a "$DIR/units/." "$d/units"
  u=$d/units
  host_ssh "$1"
  host_containers "$1"
  for l in all "$1"; do
    [ -n "$LAB_SEED" ] && [ -d "$LAB_SEED/$l" ] || continue
    cp -a "$LAB_SEED/$l/." "$d/upper/"
    if [ -d "$d/upper/etc/systemd/system" ]; then cp -a "$d/upper/etc/systemd/system/." "$u/"; rm -rf "$d/upper/etc/systemd/system"; fi
  done
  touch "$d/created"
}

# sshd, where the image has it: started by its socket, with a key that the host makes at its first boot.
host_ssh() { # HOST
  local u=$DIR/$1/units
  [ -e "$LAB_ROOT/lib/systemd/system/ssh.socket" ] || return 0
  mkdir -p "$u/sockets.target.wants" "$u/ssh.socket.d"
  ln -s /lib/systemd/system/ssh.socket "$u/sockets.target.wants/"
  cat > "$u/ssh.socket.d/lab.conf" << 'X'
[Socket]
ExecStartPre=/bin/sh -c '[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -N "" -t ed25519 -f /etc/ssh/ssh_host_ed25519_key'
X
}

# Container runtimes, where the image has them, made to run without CAP_SYS_RESOURCE and on cgroup v1 as well as v2: their
# own default limits may be above the hard ones; crun wants to raise RLIMIT_MEMLOCK on v2, runc does not; runc fails where
# there is no pids controller, unless no limit is asked for; conmon stays in the unit's cgroup, so that systemd sees it;
# and output goes to the unit's own stdout only (the journald driver would log it twice).
host_containers() { # HOST
  local d=$DIR/$1 nofile nproc
  nofile=$(ulimit -Hn); nproc=$(ulimit -Hu); nproc=${nproc/unlimited/-1}
  if [ -e "$LAB_ROOT/usr/bin/podman" ]; then
    mkdir -p "$d/disk"/{containers,cni} "$d/upper/etc/containers"
    cat > "$d/upper/etc/containers/containers.conf" << X
[containers]
default_ulimits = ["nofile=$nofile:$nofile", "nproc=$nproc:$nproc"]
cgroups = "no-conmon"
log_driver = "k8s-file"
pids_limit = 0
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
X
  fi
  [ -e "$LAB_ROOT/lib/systemd/system/docker.socket" ] || return 0
  mkdir -p "$d/disk"/{docker,containerd} "$d/upper/etc/docker" "$d/units/sockets.target.wants"
  ln -s /lib/systemd/system/docker.socket "$d/units/sockets.target.wants/"  # dockerd starts on its first use
  echo '{"exec-opts": ["native.cgroupdriver=cgroupfs"], "storage-driver": "overlay2"}' > "$d/upper/etc/docker/daemon.json"
}

host_boot() { # HOST: power on; does not wait
  local d=$DIR/$1 ns="$LAB-$1" p up
  host_pid "$1" > /dev/null && die "$1 is on"
  p=$(port "$1")
  # Its cable: made whole before systemd starts. The name of the network namespace is dropped at once;
  # the namespace, and with it the cable, lives just as long as the host's processes.
  ip link del "$p" 2> /dev/null || true
  ip netns del "$ns" 2> /dev/null || true
  ip netns add "$ns"
  ip -batch - << X
    link add $p type veth peer name eth0 address $(mac "$1") netns $ns
    link set $p master $BRIDGE up
X
  ip -n "$ns" -batch - << X
    link set lo up
    addr add $(addr "$1")/24 dev eth0
    link set eth0 up
    route add default via $(net).1
X
  rm -rf "$d/bus" "$d/run" "$d/work"; mkdir -p "$d/bus" "$d/run" "$d/work" "$d/root" "$LAB_HOME/compiled"
  for p in "" /host /up; do cgroup_make "$(cg "$1")$p"; done
  (
    cgroup_put "$(cg "$1")/host" $BASHPID      # what the new cgroup namespace takes as its root
    exec setsid nsenter --net="/run/netns/$ns" \
      unshare --fork --pid --mount --uts --ipc --cgroup -- "$SELF" __init "$1" > "$d/console.log" 2>&1 < /dev/null
  ) &
  up=$!
  echo $up > "$d/pid"
  for ((p = 0; p < 500; p++)); do
    [ ! -e "$d/bus/.ready" ] || break
    kill -0 $up 2> /dev/null || break
    nap 0.01
  done
  ip netns del "$ns"
  # unshare itself, waiting for its child, must not stay in the root of the host's cgroups (on v2 that
  # would keep the host's systemd from handing controllers down).
  cgroup_put "$(cg "$1")/up" $up 2> /dev/null || true
}

# Runs as PID 1 of the host's new namespaces: lay out the root, then become systemd.
cmd___init() {
  local name=$1 d=$DIR/$1 R=$DIR/$1/root n b src dst nodes=()
  mount --make-rprivate /
  hostname "$name"
  # volatile: no fsync (faster, and all stays in the page cache when the host is killed)
  mount -t overlay "lab-$name" -o "lowerdir=$(cat "$d/image"),upperdir=$d/upper,workdir=$d/work,volatile" "$R"
  mount -t proc proc "$R/proc" -o nosuid,nodev,noexec
  for n in sys/kernel sys/vm sys/fs sysrq-trigger; do     # the kernel is shared: its knobs are not the host's
    [ ! -e "$R/proc/$n" ] || { mount -o bind,ro "$R/proc/$n" "$R/proc/$n"; }
  done
  mount -t sysfs sysfs "$R/sys" -o ro,nosuid,nodev,noexec # read-only also tells systemd to leave udev alone
  mount -t tmpfs tmpfs "$R/dev" -o mode=755,nosuid
  for n in null zero full random urandom tty fuse net/tun; do
    [ ! -e "/dev/$n" ] || nodes+=("$n")
  done
  (cd /dev; cp -a --parents "${nodes[@]}" "$R/dev")
  mkdir "$R"/dev/{pts,shm,mqueue}
  mount -t devpts devpts "$R/dev/pts" -o newinstance,ptmxmode=0666,mode=620,gid=5
  mount -t tmpfs tmpfs "$R/dev/shm" -o mode=1777
  mount -t mqueue mqueue "$R/dev/mqueue"
  ln -s pts/ptmx "$R/dev/ptmx"; ln -s /proc/self/fd "$R/dev/fd"
  ln -s fd/0 "$R/dev/stdin"; ln -s fd/1 "$R/dev/stdout"; ln -s fd/2 "$R/dev/stderr"
  mount -t tmpfs tmpfs "$R/run" -o mode=755,nosuid,nodev
  mount -t tmpfs tmpfs "$R/tmp" -o mode=1777,nosuid,nodev
  cp /proc/sys/kernel/random/uuid "$R/run/boot_id"        # the kernel's is the same in every host and for every boot
  mount --bind "$R/run/boot_id" "$R/proc/sys/kernel/random/boot_id"
  mount_cgroups "$R"
  # Outside the overlay: unit files (empty at first), what must reach a real disk (an overlay cannot be an overlay's upper
  # layer, and etcd's fsync is to mean something), and the sockets for callers on the outer machine.
  mount --bind "$d/units" "$R/etc/systemd/system"
  for n in "$d"/disk/*; do n=${n##*/}; mkdir -p "$R/var/lib/$n"; mount --bind "$d/disk/$n" "$R/var/lib/$n"; done
  mkdir "$R/run/dbus" "$R/run/lab" "$R/run/compiled"
  mount --bind "$LAB_HOME/compiled" "$R/run/compiled"      # what one host's Node has compiled need not be compiled on all
  mount --bind "$d/bus" "$R/run/dbus"
  mount --bind "$d/run" "$R/run/lab"
  while IFS= read -r b; do
    [ -n "$b" ] || continue
    src=${b%%:*}; dst=$R${b#*:}
    if [ -d "$src" ]; then mkdir -p "$dst"; else mkdir -p "${dst%/*}"; [ -e "$dst" ] || : > "$dst"; fi
    mount -o bind,ro "$src" "$dst"
  done < "$d/binds"
  touch "$d/bus/.ready"
  cd "$R"
  mkdir -p .old; pivot_root . .old; umount -l /.old; rmdir /.old
  exec env -i container=lab PATH="$PATH" LANG=C.UTF-8 \
    setpriv --bounding-set -sys_time,-sys_module,-syslog --inh-caps -sys_time,-sys_module,-syslog -- /sbin/init
}

mount_cgroups() { # ROOT: as the outer machine has them, seen from the host's own cgroup as their root
  local n
  if [ -e $CG/cgroup.controllers ]; then mount -t cgroup2 cgroup2 "$1$CG"; return; fi
  mount -t tmpfs tmpfs "$1$CG" -o mode=755
  for n in $CG/*/; do
    n=${n%/}; n=${n##*/}; [ -e "$CG/$n/cgroup.procs" ] || continue
    mkdir "$1$CG/$n"
    case $n in
      unified) mount -t cgroup2 cgroup2 "$1$CG/$n" ;;
      systemd) mount -t cgroup cgroup "$1$CG/$n" -o none,name=systemd ;;
      *) mount -t cgroup cgroup "$1$CG/$n" -o "$n" ;;
    esac
  done
}

host_wait() { # HOST: until it is up
  local i pid s=off
  for ((i = 0; i < LAB_TIMEOUT * 50; i++)); do
    pid=$(host_pid "$1") || break
    [ ! -S "/proc/$pid/root/run/systemd/private" ] || break
    nap 0.02
  done
  [ -z "$pid" ] || s=$(timeout "$LAB_TIMEOUT" "$SELF" exec "$1" systemctl is-system-running --wait) || true
  case $s in running | degraded) return ;; esac
  tail -20 "$DIR/$1/console.log" >&2
  die "$1 did not come up: $s"
}

host_gone() { # PID: wait for its end (PID 1 ends only after all of its namespace has)
  local i
  for ((i = 0; i < LAB_TIMEOUT * 100; i++)); do [ -e "/proc/$1" ] || return 0; nap 0.01; done
  die "process $1 does not end"
}

# --- commands ----------------------------------------------------------------
cmd_up() {
  local n=${1:?N missing} i
  [[ $n =~ ^[1-9][0-9]?$ ]] || die "N is 1 to 99"
  # Until it is done `up` is in a cgroup of its own too: `down` then ends what a killed one has left at work.
  cgroup_make "$(cg up)"
  trap 'cgroup_join $PPID; cgroup_remove "$(cg up)"' EXIT
  cgroup_put "$(cg up)" $$
  cmd_image
  cmd_net > /dev/null
  units_create
  for ((i = 1; i <= n; i++)); do
    host_pid "h$i" > /dev/null || { [ -e "$DIR/h$i/created" ] || { rm -rf "$DIR/h$i"; host_create "h$i"; }; host_boot "h$i"; } &
  done
  wait
  for ((i = 1; i <= n; i++)); do host_wait "h$i"; done
}

cmd_exec() {
  need_host "${1:-}"; local h=$1 pid; shift
  [ $# -gt 0 ] || die "CMD missing"
  pid=$(host_pid "$h") || die "$h is off"
  cgroup_join "$pid"                              # else its cgroup would lie outside of the host's view
  exec nsenter -t "$pid" -a -- env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" PATH="$PATH" "$@"
}

# Frames are dropped on the bridge: all that come from or go to a cut host's port, those that go one way only (`in`: the host
# hears nothing; `out`: nobody hears it), or those between the two hosts of a cut pair. Links stay up and packets vanish in silence, as behind a failed
# switch. (After a heal, a peer's next ARP try may be up to a second off, as on any network.)
cut_of() {
  need_host "${1:-}"
  case ${2:-} in
    '') echo "ports { $(port "$1") }"; return ;;
    in) echo "deaf { $(port "$1") }"; return ;;
    out) echo "mute { $(port "$1") }"; return ;;
  esac
  need_host "$2"; echo "pairs { $(mac "$1") . $(mac "$2"), $(mac "$2") . $(mac "$1") }"
}
cmd_cut() { local what; what=$(cut_of "$@"); nft add element bridge "$TABLE" $what; }
cmd_heal() { local what; what=$(cut_of "$@"); nft delete element bridge "$TABLE" $what; }

cmd_kill() {
  need_host "${1:-}"; local pid
  pid=$(host_pid "$1") || die "$1 is off"
  kill -KILL "$pid"; host_gone "$pid"
  cgroup_remove "$(cg "$1")"
}

cmd_halt() {
  need_host "${1:-}"; local pid
  pid=$(host_pid "$1") || die "$1 is off"
  kill -s RTMIN+4 "$pid"; host_gone "$pid"        # RTMIN+4 to systemd: poweroff.target
  cgroup_remove "$(cg "$1")"
}

cmd_wipe() {
  need_host "${1:-}"
  host_pid "$1" > /dev/null && cmd_kill "$1"
  rm -rf "${DIR:?}/$1"
}

cmd_boot() { need_host "${1:-}"; host_boot "$1"; host_wait "$1"; }

etcd_start() {
  local url i
  url=http://$(net).1
  [ -z "$(cgroup_pids "$(cg etcd)" || true)" ] || die "etcd is running"
  cgroup_make "$(cg etcd)"
  (
    cgroup_put "$(cg etcd)" $BASHPID
    exec setsid etcd --name shared --data-dir "$DIR/etcd" --listen-client-urls "$url:2379" --advertise-client-urls "$url:2379" \
      --listen-peer-urls "$url:2380" --initial-advertise-peer-urls "$url:2380" --initial-cluster "shared=$url:2380" \
      --initial-cluster-token "$LAB" --logger zap --log-level warn > "$DIR/etcd.log" 2>&1 < /dev/null
  ) &
  for ((i = 0; i < LAB_TIMEOUT * 10; i++)); do
    if ETCDCTL_API=3 etcdctl --endpoints "$url:2379" --command-timeout 1s endpoint health > /dev/null 2>&1; then return; fi
    kill -0 $! 2> /dev/null || break
    nap 0.1
  done
  tail -5 "$DIR/etcd.log" >&2
  die "etcd did not start, see $DIR/etcd.log"
}

cmd_etcd() {
  local pids i
  pids=$(cgroup_pids "$(cg etcd)" || true)
  case ${1:-} in start) etcd_start; return ;; kill | stop | pause | resume) ;; *) die "etcd start, kill, stop, pause or resume" ;; esac
  [ -n "$pids" ] || die "etcd is not running"
  case $1 in
    pause) kill -STOP $pids ;;
    resume) kill -CONT $pids ;;
    kill) cgroup_kill "$(cg etcd)" ;;
    stop)
      kill -TERM $pids
      for ((i = 0; i < LAB_TIMEOUT * 20; i++)); do [ -n "$(cgroup_pids "$(cg etcd)" || true)" ] || return 0; nap 0.05; done
      die "etcd does not end" ;;
  esac
}

cmd_down() {
  local c image
  cgroup_kill "$(cg '*')"
  for c in $(find "${HIERARCHIES[@]}" -maxdepth 1 -name "$(cg '*')" -printf '%f\n' | sort -u); do cgroup_remove "$c"; done
  network_remove
  rm -rf "$DIR"
  for image in "$LAB_HOME"/image-*.new; do        # half an image that nobody is building any more
    [ -d "$image" ] || continue
    flock -n "${image%.new}.lock" rm -rf "$image" || true
  done
}
cmd_clean() { cmd_down; rm -rf "$LAB_HOME"/{image-*,compiled,net.lock}; rmdir "$LAB_HOME" 2> /dev/null || true; }

cmd_ls() {
  local h
  for h in $(hosts); do
    [ -e "$DIR/$h/created" ] || continue
    echo "$h $(host_state "$h") $(addr "$h") $(cat "$DIR/$h/upper/etc/machine-id") $(bus "$h")"
  done
}

[[ $LAB =~ ^[a-z][a-z0-9]{0,7}$ ]] || die "LAB is 1 to 8 small letters and digits: '$LAB'"
cmd=${1:-}; shift || true
case $cmd in
  deps | image | net | up | exec | cut | heal | kill | halt | wipe | boot | etcd | ls | down | clean | __init) "cmd_$cmd" "$@" ;;
  *) sed -n '5,/^set -/{/^#/s/^# \{0,1\}//p}' "$SELF" >&2; exit 2 ;;
esac
