#!/bin/sh
# Print the certificate, if there is one, and a request for one. Arguments: paths of key and certificate, subject,
# subjectAltName.
set -eu
if [ -e "$2" ]; then cat "$2"; fi
exec openssl req -new -key "$1" -subj "$3" -addext "$4" -addext basicConstraints=critical,CA:FALSE \
  -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth
