sudo ip link add dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1
sudo ip link set dummy1 up
cat > ~/curl_loop.sh <<'EOF'
#!/bin/bash
for i in {1..10}
do
  curl -s http://192.168.100.1
done
EOF
chmod +x ~/curl_loop.sh
sudo su
ipvsadm -A -t 192.168.100.1:80 -s rr
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
exit
sudo ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
~/curl_loop.sh
sudo ipvsadm -Ln --stats
