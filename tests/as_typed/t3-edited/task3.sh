echo net.ipv4.ip_forward=1 | sudo tee -a /etc/sysctl.conf && sudo sysctl -p
sudo modprobe -v dummy
sudo ip link add name dummy1 type dummy && sudo ip link set dev dummy1 up
sudo ip address add 192.168.100.1/32 dev dummy1
sudo ipvsadm -A -t 192.168.100.1:80 -s wrr
sudo ipvsadm -E -t 192.168.100.1:80 -s rr
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
i=0; while [ $i -lt 10 ]; do curl http://192.168.100.1; i=$(( i + 1 )); done
sudo ipvsadm -L -n --stats --rate
sudo ipvsadm -l -n -c
