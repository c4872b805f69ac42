#!/usr/bin/env bash
# A model's way from a proposal through a vote to deployment; another that misses its voted criterion and is refused; and
# royalties through two generations. Every step is asserted, and the first deviation ends it.
#
#   fonte up --voting-period 10 --heartbeat 1 --challenge-window 5      in one terminal
#   examples/governance.sh                                              in another
#
# FONTE is the program; FONTE_RPC_URL, FONTE_GATEWAY and FONTE_NETWORK say which network, FONTE_API_KEY pays the question.
# The keys below are the development keys of `fonte up`.
set -euo pipefail

FONTE=${FONTE:-fonte}
VOTER=${VOTER:-dev:operator}           # wraps coins, proposes and votes
OWNER=${OWNER:-dev:worker}             # trains the models; no evaluator, no voter
EVALUATORS=${EVALUATORS:-dev:payer dev:author dev:liar}
PATIENCE=${PATIENCE:-180}              # seconds that anything may take
: "${FONTE_API_KEY:?the API key that fonte up printed}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# field PATH: a value of the JSON on standard input, such as calls.0.function
field() {
  python3 -c '
import json, sys
value = json.load(sys.stdin)
for part in sys.argv[1].split("."):
    value = value[int(part)] if isinstance(value, list) else value[part]
print(value if isinstance(value, str) else json.dumps(value))' "$1"
}

# same NAME EXPECTED ACTUAL
same() { [ "$2" = "$3" ] || fail "$1 is $3, and should be $2"; note "$1: $3"; }

json() { "$FONTE" --json "$@"; }

# dry FUNCTION COMMAND...: what a command would do begins with a call of FUNCTION, and it sends nothing
dry() {
  local function=$1; shift
  json --dry-run "$@" >"$work/dry"
  [ "$(field dry_run <"$work/dry")" = true ] || fail "no dry run: $(cat "$work/dry")"
  same "a dry run of $1 $2" "$function" "$(field effects.0.function <"$work/dry")"
}

# until WHAT EXPECTED COMMAND...: runs the command until it prints what is expected
until_is() {
  local what=$1 expected=$2 actual deadline=$((SECONDS + PATIENCE)); shift 2
  while actual=$("$@"); [ "$actual" != "$expected" ]; do
    [ $SECONDS -lt $deadline ] || fail "$what is still $actual after $PATIENCE s, and should be $expected"
    sleep 0.5
  done
  note "$what: $actual"
}

model_state() { json model show "$1" | field state; }
proposal_state() { json gov show "$1" | field state; }
servable() { json model show "$1" | field servable; }
round_phase() { json model evaluate "$1" status | field rounds.0.phase; }
hash_of() { printf '0x%064x' "$1"; }

# vote_through PROPOSAL: votes it through, up to the end of its time in the timelock
vote_through() {
  until_is "proposal $1" active proposal_state "$1"
  json gov vote "$1" for --key "$VOTER" --reason "meets what we asked for" >/dev/null
  until_is "proposal $1" succeeded proposal_state "$1"
  json gov queue "$1" --key "$VOTER" >/dev/null
  same "proposal $1" queued "$(proposal_state "$1")"
}

# execute PROPOSAL: as soon as the timelock lets it
execute() {
  local deadline=$((SECONDS + PATIENCE))
  until json gov execute "$1" --key "$VOTER" >"$work/executed" 2>"$work/refused"; do
    grep -q "timelock\|not ready\|pront" "$work/refused" || { cat "$work/refused" >&2; return 1; }
    [ $SECONDS -lt $deadline ] || fail "proposal $1 cannot be executed: $(cat "$work/refused")"
    sleep 0.5
  done
}

# evaluate MODEL SCORE...: one score for each evaluator. The keeper of the gateway draws and counts: nobody has to.
evaluate() {
  local model=$1 key; shift
  dry revealEvaluation model evaluate "$model" unseal --key "$VOTER"
  json model evaluate "$model" unseal --key "$VOTER" >/dev/null
  dry open model evaluate "$model" open --key "$OWNER"
  json model evaluate "$model" open --key "$OWNER" >/dev/null
  until_is "round" committing round_phase "$model"
  dry commitScore model evaluate "$model" commit --score "$1" --report "$work/report" --key "${EVALUATORS%% *}"
  for key in $EVALUATORS; do
    json model evaluate "$model" commit --score "$1" --report "$work/report" --key "$key" >/dev/null
    shift
  done
  until_is "round" revealing round_phase "$model"
  dry revealScore model evaluate "$model" reveal --key "${EVALUATORS%% *}"
  for key in $EVALUATORS; do json model evaluate "$model" reveal --key "$key" >/dev/null; done
  until_is "round" stood round_phase "$model"
  json model evaluate "$model" status >"$work/closed"
}

# candidate NAME: proposes an adapter with its criterion, and votes until it is approved and trained
candidate() {
  model=$(json model propose "$1" --base "$base" --parent "$base:20000" --developer "$adapter_developer" \
    --recipe "$work/recipe" --metric exact-match-ppm --at-least 700000 --tolerance 10000 --evaluators 3 --quorum 2 \
    --key "$OWNER" | field model)
  same "model $model" proposed "$(model_state "$model")"
  local commitment proposal
  commitment=$(json model evaluate "$model" seal "$work/evaluation-set" | field commitment)
  proposal=$(json gov propose approve-model "$model" --commitment "$commitment" --key "$VOTER" \
    --description "Approve $1: 70 % exact match on a sealed set" | field proposal)
  vote_through "$proposal"
  execute "$proposal" || fail "the approval was refused"
  same "model $model" approved "$(model_state "$model")"
  dry train model train "$model" --key "$OWNER"
  json model train "$model" --key "$OWNER" >/dev/null
  same "model $model" training "$(model_state "$model")"
  printf 'weights of %s\n' "$1" >"$work/adapter"
  dry submitArtifact model submit "$model" --adapter "$work/adapter" --key "$OWNER"
  json model submit "$model" --adapter "$work/adapter" --key "$OWNER" >/dev/null
  same "model $model" evaluating "$(model_state "$model")"
}

printf 'rank 8, learning rate 1e-4, three epochs\n' >"$work/recipe"
printf 'two hundred questions and their answers, %s\n' "$RANDOM$RANDOM" >"$work/evaluation-set"
printf 'how each question was scored\n' >"$work/report"
printf 'weights of the base\n' >"$work/base"
base_developer=$(printf '0x%040x' $((0xba5e0000 + RANDOM)))
adapter_developer=$(printf '0x%040x' $((0xadab0000 + RANDOM)))
guide_developer=$(printf '0x%040x' $((0x901de000 + RANDOM)))

step "votes and evaluators"
votes=$(json gov delegate --wrap 100 --key "$VOTER" | field votes_wei)
[ "${#votes}" -ge 21 ] || fail "100 FNT were wrapped, and the votes are $votes wei"
note "votes: $votes wei"
for key in $EVALUATORS; do
  same "reviewer $key in the pool" true "$(json review register --key "$key" | field in_pool)"
done

step "a base model, whose children grant it 2 % of every fee"
base=$(json model register "base-$RANDOM" --kind base --artifact "$work/base" --min-royalty 20000 \
  --developer "$base_developer" --key "$OWNER" | field model)
same "model $base" independent "$(model_state "$base")"

step "a dry run tells the effect, and sends nothing"
before=$(json model list | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')
json --dry-run model register nobody --kind quote --key "$OWNER" >"$work/dry"
same "function" register "$(field effects.0.function <"$work/dry")"
same "models" "$before" "$(json model list | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')"

step "one model is proposed, trained, meets its criterion and is deployed"
candidate "tide-$RANDOM"
good=$model
if json gov propose deploy-model "$good" --key "$OWNER" >/dev/null 2>"$work/refused"; then
  fail "an account without votes could propose"
fi
note "without votes: $(cat "$work/refused")"
evaluate "$good" 750000 752000 749000
same "the criterion is met" true "$(field met <"$work/closed")"
same "model $good" evaluated "$(model_state "$good")"
dry propose gov propose deploy-model "$good" --key "$VOTER"
same "if it passes" deploy "$(field if_it_passes.0.function <"$work/dry")"
json gov propose deploy-model "$good" --key "$VOTER" >"$work/proposed"
same "the warning" null "$(field warning <"$work/proposed")"
proposal=$(field proposal <"$work/proposed")
same "the proposal shows the evaluation" true "$(json gov show "$proposal" | field evaluations.0.met)"
vote_through "$proposal"
execute "$proposal" || fail "the deployment was refused"
same "model $good" deployed "$(model_state "$good")"

step "another misses its criterion, and no vote can deploy it"
candidate "ebb-$RANDOM"
bad=$model
evaluate "$bad" 650000 652000 649000
same "the criterion is met" false "$(field met <"$work/closed")"
dry propose gov propose deploy-model "$bad" --key "$VOTER"
json gov propose deploy-model "$bad" --key "$VOTER" >"$work/proposed"
for told in dry proposed; do
  field warning <"$work/$told" | grep -q 650000 || fail "no warning names the score: $(cat "$work/$told")"
done
proposal=$(field proposal <"$work/proposed")
same "the proposal shows the evaluation" false "$(json gov show "$proposal" | field evaluations.0.met)"
vote_through "$proposal"
if execute "$proposal"; then fail "a model that misses its criterion was deployed"; fi
grep -q 650000 "$work/refused" || fail "the refusal does not name the score: $(cat "$work/refused")"
note "refused: $(cat "$work/refused")"
same "model $bad" evaluated "$(model_state "$bad")"

step "an answer pays royalties through two generations"
guide=guide-$RANDOM
child=$(json model register "$guide" --kind quote --parent "$good:50000" --developer "$guide_developer" \
  --datanet open --key "$OWNER" | field model)
until_is "model $child answers" true servable "$child"
mkdir "$work/texts"
printf 'The spring tide at Pedra Branca rises two metres and forty centimetres above the chart datum in March.\n' \
  >"$work/texts/tide.txt"
json datanet publish "$work/texts" --datanet open --key "$VOTER" >/dev/null
deadline=$((SECONDS + PATIENCE))
until json ask "How high does the spring tide at Pedra Branca rise?" --model "$guide:open" >"$work/answer" 2>"$work/refused" \
  && [ "$(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["fonte"]["shares"]))' "$work/answer")" -gt 0 ]; do
  [ $SECONDS -lt $deadline ] || fail "no answer: $(cat "$work/refused" "$work/answer")"
  sleep 0.5
done
fee=$(field fonte.fee_wei <"$work/answer")
note "fee: $fee wei"
balance() { json account balance "$1" | field balance_wei; }
# Of its 10 % the guide grants the adapter 5; of that the adapter owes the base a fifth, as of all it earns.
for part in "$guide_developer 50000" "$adapter_developer 40000" "$base_developer 10000"; do
  set -- $part
  ppm=$(json model show "$child" | python3 -c '
import json, sys
found = [d["ppm"] for d in json.load(sys.stdin)["payouts"]["developers"] if d["payee"].lower() == sys.argv[1].lower()]
print(found[0] if found else 0)' "$1")
  same "the part of $1" "$2" "$ppm"
  until_is "paid to $1" "$(python3 -c 'import sys; print(int(sys.argv[1]) * int(sys.argv[2]) // 1000000)' "$fee" "$ppm")" balance "$1"
done

step "all proposals are listed, and what its owner retires answers no more"
listed() {
  json gov list | python3 -c '
import json, sys
print([p["state"] for p in json.load(sys.stdin) if p["number"] == int(sys.argv[1])][0])' "$1"
}
same "proposal $proposal in the list" "$(proposal_state "$proposal")" "$(listed "$proposal")"
same "model $child" retired "$(json model retire "$child" --key "$OWNER" | field state)"
same "model $child answers" false "$(servable "$child")"
deadline=$((SECONDS + PATIENCE))
while json ask "How high does the spring tide at Pedra Branca rise?" --model "$guide:open" >/dev/null 2>"$work/refused"; do
  [ $SECONDS -lt $deadline ] || fail "a retired model still answers"
  sleep 0.5
done
note "refused: $(cat "$work/refused")"

printf '\nAll as it should be.\n'
