sudo tee /etc/default/ipvsadm <<EOF
AUTO="true"
DAEMON="none"
EOF
sudo tee /etc/ipvsadm.rules <<EOF
-A -t 192.168.100.1:80 -s rr
-a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m -w 1
-a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m -w 1
EOF
sudo ip l a dummy1 type dummy && sudo ip a a 192.168.100.1/32 dev dummy1 && sudo ip l s dummy1 up
sudo service ipvsadm restart || sudo /etc/init.d/ipvsadm restart
sudo ipvsadm -ln
for i in 1 2 3 4 5 6; do curl 192.168.100.1:80; done
sudo ipvsadm -ln --stats
