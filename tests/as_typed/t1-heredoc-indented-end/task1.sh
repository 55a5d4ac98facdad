mkdir -p ~/backend1 ~/backend2
cat <<EOF > ~/backend1/index.html
<h1>Response from Backend Server 1</h1>
    EOF
cat <<EOF > ~/backend2/index.html
<h2>*** Response from Backend Server 2 ***</h2>
    EOF
cd ~/backend1 && python3 -m http.server 8081 &
cd ~/backend2 && python3 -m http.server 8082 &
curl localhost:8081; curl localhost:8082
