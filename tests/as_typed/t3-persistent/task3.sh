sudo modprobe ip_vs
sudo modprobe ip_vs_rr
sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up

sudo ipvsadm -A -t 192.168.100.1:80 -s rr -p 300
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
for i in 1 2 3 4; do curl -s 192.168.100.1; done
