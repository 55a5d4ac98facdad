sudo ip link add name dummy1 type dummy
sudo ip addr add 192.168.100.1/32 dev dummy1 label dummy1:0
sudo ip link set up dev dummy1
sudo tee /etc/keepalived/keepalived.conf <<EOF
virtual_server 192.168.100.1 80 {
    delay_loop 5
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 127.0.0.1 8081 {
        TCP_CHECK {
            connect_timeout 3
        }
    }
    real_server 127.0.0.1 8082 {
        TCP_CHECK {
            connect_timeout 3
        }
    }
}
EOF
sudo systemctl enable --now keepalived
sleep 8
sudo ipvsadm -Ln
for i in $(seq 1 10); do curl -s http://192.168.100.1; sleep 0.2; done
sudo ipvsadm -Ln --stats
