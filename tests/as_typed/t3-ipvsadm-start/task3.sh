#!/bin/bash
set -e
command -v ipvsadm > /dev/null || sudo apt install -y ipvsadm
sudo modprobe -a ip_vs ip_vs_rr dummy || true
sudo ip link del dummy1 2> /dev/null || true
sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up
sudo ipvsadm --clear
sudo ipvsadm -A -t 192.168.100.1:80 -s rr
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
sudo ipvsadm -Z
for i in $(seq 1 20); do curl -s -o /dev/null http://192.168.100.1/; done
sudo ipvsadm -Ln --stats
sudo ipvsadm -Lnc
