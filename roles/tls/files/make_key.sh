#!/bin/sh
# Make a private key that only root can read. Argument: its path.
set -eu
umask 0077
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
