sudo modprobe dummy
sudo ip link add dummy1 type dummy
sudo ifconfig dummy1 192.168.100.1 netmask 255.255.255.255 up
ifconfig dummy1
sudo ipvsadm -A -t 192.168.100.1:http -s rr
sudo ipvsadm -a -t 192.168.100.1:http -r localhost:8081 -m
sudo ipvsadm -a -t 192.168.100.1:http -r localhost:8082 -m
for ((i=0; i<6; i++)); do curl -s 192.168.100.1; done
sudo ipvsadm -L
