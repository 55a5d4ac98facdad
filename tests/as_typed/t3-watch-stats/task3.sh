sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up
sudo ipvsadm -A -t 192.168.100.1:80 -s rr
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
watch -n1 sudo ipvsadm -Ln --stats
# в другом терминале
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
for i in {1..10}; do curl -s http://192.168.100.1; done
