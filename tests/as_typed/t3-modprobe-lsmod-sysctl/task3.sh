sudo apt update && sudo apt install -y ipvsadm
sudo modprobe ip_vs
sudo modprobe ip_vs_rr
sudo modprobe dummy
lsmod | grep ip_vs
sudo sysctl -w net.ipv4.ip_forward=1
sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up
ip a
sudo ipvsadm -A -t 192.168.100.1:80 -s rr
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
sudo ipvsadm -Ln
for i in {1..10}; do curl -s http://192.168.100.1; done
sudo ipvsadm -Ln --stats
