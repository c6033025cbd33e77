#!/usr/bin/env bash
# Test hosts on one machine: network namespaces that are joined by one switch (a bridge) per rail,
# every port limited to a rate. Needs root, iproute2 and util-linux; touches nothing outside the
# namespaces it makes, and nothing in them reaches anything else.
#
#   hosts.sh up NAME [--hosts 4] [--rates 200,200] [--mtu 1500]
#                                                    a rate (Mbit/s; 0: no limit) for each rail
#   hosts.sh run NAME HOST -- COMMAND...             on host HOST (0, 1, ...), named NAME-HOST there
#   hosts.sh rate NAME HOST INTERFACE MBIT           another rate, both ways
#   hosts.sh link NAME HOST INTERFACE up|down        as if a cable was plugged in or out
#   hosts.sh down NAME                               ends what runs on the hosts and removes them
#
# Host h has the interfaces eth0, eth1, ... with the addresses 10.1.0.(h+1)/24, 10.2.0.(h+1)/24, ...
# NAME can be anything short; several sets of hosts can be up at the same time.
set -euo pipefail

die() {
  echo "hosts.sh: $*" >&2
  exit 1
}

usage() {
  sed -n '/^# *hosts.sh/s/^# *//p' "$0" >&2
  exit 2
}

namespace() { echo "ddl-$1-$2"; } # of host $2 of the set $1
switch() { namespace "$1" net; }  # where the set's bridges are

there() { ip netns list | awk '{print $1}' | grep -qxF -- "$1"; }

# Limits what leaves by interface $2 of namespace $1 to $3 Mbit/s.
#
# The bucket holds 1 ms, and at least two of the largest packets that TCP hands down (64 KiB, which
# are otherwise cut up at the cost of CPU); the queue holds 20 ms. Both are small, so that what is
# measured within a second is the rate and not the buffers, and enough for TCP to fill the link:
# its payload takes 191 of 200 Mbit/s, which with an MTU of 1500 is all that headers leave.
limit() {
  local bytes_per_ms=$(($3 * 125))
  if (($3 == 0)); then
    ip netns exec "$1" tc qdisc delete dev "$2" root 2>/dev/null || true
    return
  fi
  local burst=$((bytes_per_ms > 131072 ? bytes_per_ms : 131072))
  ip netns exec "$1" tc qdisc replace dev "$2" root \
    tbf rate "$3mbit" burst "$burst" limit $((burst + 20 * bytes_per_ms))
}

# Both directions of a host's interface, as of a network card: $1 set, $2 host, $3 rail, $4 Mbit/s.
limit_both() {
  limit "$(namespace "$1" "$2")" "eth$3" "$4"
  limit "$(switch "$1")" "port$2.$3" "$4"
}

make() {
  local name=$1 hosts=$2 mtu=$3 switch
  local -a rates=("${@:4}")
  switch=$(switch "$name")
  ip netns add "$switch"
  for rail in "${!rates[@]}"; do
    ip -n "$switch" link add "rail$rail" type bridge forward_delay 0 stp_state 0
    ip -n "$switch" link set "rail$rail" up
  done
  for ((host = 0; host < hosts; ++host)); do
    local space
    space=$(namespace "$name" "$host")
    ip netns add "$space"
    ip -n "$space" link set lo up
    for rail in "${!rates[@]}"; do
      ip -n "$switch" link add "port$host.$rail" mtu "$mtu" \
        type veth peer name "eth$rail" mtu "$mtu" netns "$space"
      ip -n "$switch" link set "port$host.$rail" master "rail$rail" up
      ip -n "$space" address add "10.$((rail + 1)).0.$((host + 1))/24" dev "eth$rail"
      ip -n "$space" link set "eth$rail" up
      limit_both "$name" "$host" "$rail" "${rates[rail]}"
    done
  done
}

up() {
  local name=$1 hosts=4 rates=200,200 mtu=1500
  shift
  while (($# > 0)); do
    case $1 in
      --hosts) hosts=${2:?} && shift 2 ;;
      --rates) rates=${2:?} && shift 2 ;;
      --mtu) mtu=${2:?} && shift 2 ;;
      *) usage ;;
    esac
  done
  local -a list
  IFS=, read -ra list <<<"$rates"
  [[ $hosts =~ ^[0-9]+$ ]] && ((hosts >= 1 && hosts <= 250)) || die "--hosts $hosts: 1 to 250"
  for rate in "${list[@]}"; do [[ $rate =~ ^[0-9]+$ ]] || die "--rates $rates: Mbit/s, commas"; done
  [[ $mtu =~ ^[0-9]+$ ]] && ((mtu >= 576 && mtu <= 9000)) || die "--mtu $mtu: 576 to 9000"
  there "$(switch "$name")" && die "hosts named $name are up already"
  trap 'status=$?; trap - EXIT; ((status == 0)) || down "$name"; exit "$status"' EXIT
  make "$name" "$hosts" "$mtu" "${list[@]}"
}

# The namespaces of a set, hosts first.
namespaces() { ip netns list | awk '{print $1}' | grep -E "^ddl-$1-([0-9]+|net)\$" | sort || true; }

down() {
  local space pids
  for space in $(namespaces "$1"); do
    pids=$(ip netns pids "$space")
    # shellcheck disable=SC2086
    [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
    ip netns delete "$space"
  done
}

(($# >= 2)) || usage
command=$1 name=$2
[[ $name =~ ^[A-Za-z0-9]{1,12}$ ]] || die "the name $name: up to 12 letters and digits"
((EUID == 0)) || die "network namespaces need root"
if [[ $command != up && $command != down ]]; then
  there "$(namespace "$name" "${3:-}")" || die "there is no host ${3:-} in the set $name"
fi
case $command in
  up) up "${@:2}" ;;
  down) down "$name" ;;
  run)
    (($# >= 5)) && [[ $4 == -- ]] || usage
    # A host name of its own; the namespace of the name goes with the command.
    exec ip netns exec "$(namespace "$name" "$3")" unshare --uts -- \
      bash -c 'hostname "$0" && exec "$@"' "$name-$3" "${@:5}"
    ;;
  rate)
    (($# == 5)) && [[ $4 =~ ^eth[0-9]+$ && $5 =~ ^[0-9]+$ ]] || usage
    limit_both "$name" "$3" "${4#eth}" "$5"
    ;;
  link)
    (($# == 5)) && [[ $4 =~ ^eth[0-9]+$ && $5 =~ ^(up|down)$ ]] || usage
    ip -n "$(switch "$name")" link set "port$3.${4#eth}" "$5"
    ;;
  *) usage ;;
esac
