#!/bin/sh
# Let programs of this host trust the own CA. Argument: the folder of ca.pem.
set -eu
install -m 0644 "$1/ca.pem" /usr/local/share/ca-certificates/postroom.crt
update-ca-certificates
