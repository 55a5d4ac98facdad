sudo cp /etc/dnsmasq.conf /etc/dnsmasq.conf.bak
cat <<EOF | sudo tee /etc/dnsmasq.conf
port=53
domain-needed
bogus-priv
interface=lo
bind-interfaces
expand-hosts
domain=local
cache-size=1000
EOF
echo '127.0.0.1  my-awesome-highload-app' | sudo tee -a /etc/hosts
echo '127.0.0.2  my-awesome-highload-app' | sudo tee -a /etc/hosts
sudo dnsmasq --test
sudo systemctl restart dnsmasq; sudo systemctl --no-pager -l status dnsmasq
dig my-awesome-highload-app.local @localhost
