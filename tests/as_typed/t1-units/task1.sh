mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html

for i in 1 2; do
sudo tee /etc/systemd/system/backend$i.service >/dev/null <<EOF
[Unit]
Description=Backend server $i
After=network.target

[Service]
Type=simple
WorkingDirectory=$HOME/backend$i
ExecStart=/usr/bin/python3 -m http.server 808$i
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
EOF
done
sudo systemctl daemon-reload
sudo systemctl enable --now backend1 backend2
sleep 1
systemctl status backend1 backend2 --no-pager
curl http://localhost:8081; curl http://localhost:8082
