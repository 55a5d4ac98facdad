sudo apt install -y ifupdown ipvsadm
sudo tee -a /etc/network/interfaces <<EOF
auto dummy1
iface dummy1 inet static
    address 192.168.100.1/32
    pre-up ip link add dummy1 type dummy
EOF
sudo ifup dummy1
ip a show dummy1
sudo ipvsadm -A -t 192.168.100.1:80 -s rr
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
for i in $(seq 10); do curl http://192.168.100.1/; done
sudo ipvsadm -l -n --stats
