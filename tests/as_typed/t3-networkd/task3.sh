cat > /etc/systemd/network/10-dummy1.netdev <<EOF
[NetDev]
Name=dummy1
Kind=dummy
EOF
cat > /etc/systemd/network/10-dummy1.network <<EOF
[Match]
Name=dummy1

[Network]
Address=192.168.100.1/32
EOF
systemctl restart systemd-networkd
ip -br a
ipvsadm -A -t 192.168.100.1:80 -s rr
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
for i in $(seq 10); do curl http://192.168.100.1/; done
ipvsadm -Ln --stats
