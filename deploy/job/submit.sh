#!/usr/bin/env bash
# Submit one alignment job to a running Ray cluster; run it from the root of a checkout.
#   deploy/job/submit.sh deploy/profiles/paper.yaml [--set field=value ...] [--run-id ID]
#   deploy/job/submit.sh --resume RUN [--set field=value ...]    # a run that was stopped or killed, by id or directory
# RAY_API_SERVER_ADDRESS (http://head:8265) names the cluster. Runs are kept under OARS_HOME as the driver's node sees
# it, which should be a file system that all nodes share. With token authentication export RAY_AUTH_MODE=token here and on the cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."
first=${1:?usage: deploy/job/submit.sh PROFILE|--resume RUN [--set field=value ...] [--run-id ID]}
[[ $first == --resume ]] || { shift; set -- --profile "$first" "$@"; }
environment=deploy/job/runtime-env.yaml
if [[ -n ${OARS_HOME:-} ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  environment=$folder/runtime-env.yaml
  { cat deploy/job/runtime-env.yaml; echo "  OARS_HOME: \"$OARS_HOME\""; } >"$environment"
fi
# The job server is in one's own network: not by way of a proxy.
host=${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265} host=${host#*://} host=${host%%[:/]*}
export no_proxy="${no_proxy:+$no_proxy,}$host" NO_PROXY="${NO_PROXY:+$NO_PROXY,}$host"
# One CPU for the driver, so that Ray does not put it on a head node that is already full.
ray job submit --runtime-env "$environment" --working-dir . --entrypoint-num-cpus 1 \
  -- python -m services.launch.driver "$@"
