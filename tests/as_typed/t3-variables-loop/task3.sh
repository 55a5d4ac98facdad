#!/usr/bin/env bash
set -x
VIP=192.168.100.1
RS=127.0.0.1
DEV=dummy1
setup() {
    sudo ip link add "$DEV" type dummy
    sudo ip addr add "$VIP/32" dev "$DEV"
    sudo ip link set "$DEV" up
    sudo ipvsadm -A -t $VIP:80 -s rr
    for port in 8081 8082; do
        sudo ipvsadm -a -t $VIP:80 -r $RS:$port -m
    done
}
setup
sudo ipvsadm -Ln
