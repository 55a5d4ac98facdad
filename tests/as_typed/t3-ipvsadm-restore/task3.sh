sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up
sudo ipvsadm -C
sudo ipvsadm -R <<EOF
-A -t 192.168.100.1:80 -s rr
-a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
-a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
EOF
sudo ipvsadm -L -n
