sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up
sudo ipvadm -A -t 192.168.100.1:80 -s rr
sudo ipvadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
sudo ipvadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
