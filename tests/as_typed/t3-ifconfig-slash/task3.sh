sudo modprobe dummy numdummies=2
sudo modprobe ip_vs ip_vs_rr
lsmod | grep ip_vs
echo 1 > /proc/sys/net/ipv4/ip_forward
sudo sysctl -w net.ipv4.vs.conntrack=1
sudo sysctl -p
sudo ifconfig dummy1 192.168.100.1/32 up
sudo ipvsadm --clear
sudo ipvsadm --add-service --tcp-service 192.168.100.1:80 --scheduler rr
sudo ipvsadm --add-server --tcp-service 192.168.100.1:80 --real-server 127.0.0.1:8081 --masquerading --weight 1
sudo ipvsadm --add-server --tcp-service 192.168.100.1:80 --real-server 127.0.0.1:8082 --masquerading --weight 1
seq 20 | xargs -n1 -P4 curl -s http://192.168.100.1/ -o /dev/null
seq 10 | xargs -I{} curl -s http://192.168.100.1/
sudo ipvsadm --list --numeric --stats
sudo iptables -t nat -L -n
