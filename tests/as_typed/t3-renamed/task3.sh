sudo modprobe dummy
sudo ip link set dummy0 name dummy1
sudo ip addr add 192.168.100.1 dev dummy1
sudo ip link set dummy1 up
sudo ipvsadm -A -t 192.168.100.1:80 -s rr
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
while sleep 0.5; do curl -s http://192.168.100.1; done
