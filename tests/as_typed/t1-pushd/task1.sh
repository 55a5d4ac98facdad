mkdir ~/backend1 ~/backend2
pushd ~/backend1
printf '<h1>Response from Backend Server %d</h1>\n' 1 > index.html
python3 -m http.server 8081 &
popd
pushd ~/backend2
printf '<h2>*** Response from Backend Server %d ***</h2>\n' 2 > index.html
python3 -m http.server 8082 &
popd
