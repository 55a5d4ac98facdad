sudo modprobe ip_vs
sudo modprobe ip_vs_rr
sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up

cat > ~/ipvs.rules <<EOF
-A -t 192.168.100.1:80 -s rr
-a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m -w 1
-a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m -w 1
EOF
sudo ipvsadm --restore < ~/ipvs.rules
sudo ipvsadm-save -n | tee ~/saved.rules
sudo ipvsadm -C
sudo ipvsadm-restore < ~/saved.rules
sudo ipvsadm -Z
for i in {1..20}; do curl -s http://192.168.100.1; done
sudo ipvsadm -Ln --stats
