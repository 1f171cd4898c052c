# The Python variant of Global Payments' network-tokenization sample, as its README describes it: the code that it
# shows, and around it what its endpoints do. Only the platform's address is a setting here.

import hashlib
import json
import os
import secrets
import urllib.error
import urllib.request

from flask import Flask, jsonify, request

app = Flask(__name__)


def api_base_url():
    return os.getenv("GP_API_BASE_URL")


def generate_nonce():
    return secrets.token_hex(16)


def hash_secret(nonce, app_key):
    return hashlib.sha512((nonce + app_key).encode("utf-8")).hexdigest()


def post(path, payload, headers):
    req = urllib.request.Request(
        api_base_url() + path,
        data=json.dumps(payload).encode("utf-8"),
        headers={"Content-Type": "application/json", "X-GP-Version": "2021-03-22", **headers},
        method="POST",
    )
    with urllib.request.urlopen(req) as resp:
        return json.loads(resp.read().decode("utf-8"))


def get_access_token(permissions=None):
    nonce = generate_nonce()
    payload = {
        "app_id": os.getenv("GP_API_APP_ID"),
        "nonce": nonce,
        "secret": hash_secret(nonce, os.getenv("GP_API_APP_KEY", "")),
        "grant_type": "client_credentials",
        "seconds_to_expire": 600,
    }
    if permissions:
        payload["permissions"] = permissions
    return post("/accesstoken", payload, {})["token"]


def transaction(path, payload):
    common = {"account_name": "transaction_processing", "channel": "CNP", "country": "US"}
    headers = {"Authorization": "Bearer " + get_access_token()}
    return post(path, {**common, "reference": generate_nonce(), **payload}, headers)


@app.errorhandler(urllib.error.HTTPError)
def refused(error):
    return jsonify(success=False, message=error.read().decode("utf-8")), 400


@app.get("/config")
def config():
    return jsonify(success=True, data={"accessToken": get_access_token(["PMT_POST_Create_Single"])})


@app.post("/create-network-token")
def create_network_token():
    method = {"entry_mode": "ECOM", "id": request.get_json()["payment_reference"], "storage_mode": "ON_SUCCESS"}
    result = transaction("/verifications", {"currency": "USD", "payment_method": method})
    return jsonify(success=True, data={"id": result["payment_method"]["id"]})


@app.post("/process-payment")
def process_payment():
    data = request.get_json()
    result = transaction(
        "/transactions",
        {
            "type": "SALE",
            "capture_mode": "AUTO",
            "amount": str(int(data["amount"] * 100)),
            "currency": data["currency"],
            "payment_method": {"entry_mode": "ECOM", "id": data["pmt_id"], "usage_mode": "USE_NETWORK_TOKEN"},
        },
    )
    if result["status"] not in ("CAPTURED", "SUCCESS"):
        return jsonify(success=False, message="Transaction failed: " + result["status"]), 400
    return jsonify(
        success=True,
        data={
            "transactionId": result["id"],
            "status": result["status"],
            "amount": data["amount"],
            "currency": data["currency"],
            "authCode": result["payment_method"].get("card", {}).get("authcode"),
            "tokenUsageMode": "USE_NETWORK_TOKEN",
        },
        message="Payment processed successfully",
    )
