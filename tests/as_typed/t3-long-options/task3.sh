sudo ip l add dummy1 type dummy
sudo ip a a 192.168.100.1/32 dev dummy1
sudo ip l s dummy1 up
sudo ipvsadm --add-service --tcp-service 192.168.100.1:80 --scheduler rr
sudo ipvsadm --add-server --tcp-service 192.168.100.1:80 \
    --real-server 127.0.0.1:8081 --masquerading
sudo ipvsadm --add-server --tcp-service 192.168.100.1:80 \
    --real-server 127.0.0.1:8082 --masquerading
sudo ipvsadm --list --numeric --stats
