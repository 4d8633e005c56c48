"""Rule 7's table of addresses, and its properties."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clients.addresses import Guarded, Trusted, authority, checked_url
from shared.errors import Code, Refused

INTERNET = Guarded()
PRIVATE = ipaddress.ip_network("10.20.0.0/16")

REFUSED = [
    "http://epic.example/",
    "ftp://epic.example/",
    "file:///etc/passwd",
    "//epic.example/",
    "epic.example",
    "",
    "https:///path",
    "https://user@epic.example/",
    "https://user:secret@epic.example/",
    "https://:secret@epic.example/",
    "https://epic.example:80/",
    "https://epic.example:8443/",
    "https://epic.example:0/",
    "https://epic.example:99999/",
    "https://epic.example\\@127.0.0.1/",
    "https://epic .example/",
    "https://epic.example/\r\nX: y",
    "https://epic.example./",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://8.8.8.010/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/",
    "https://168.63.129.16/",
    "https://192.0.0.9/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::ffff:168.63.129.16]/",
    "https://[64:ff9b::8.8.8.8]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:808:808::1]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[fc00::1]/",
    "https://[fec0::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[2001:4860:4860::8888%25eth0]/",
    "https://[ff02::1]/",
    "https://[5f00::1]/",
    "https://[::1/",
]
ALLOWED = [
    "https://epic.example/",
    "https://EPIC.example:443/interconnect/api/FHIR/R4?x=a%2Bb#part",
    "https://xn--bcher-kva.example/",
    "https://8.8.8.8/",
    "https://[2001:4860:4860::8888]/",
    "https://[::ffff:8.8.8.8]/",
]


def allows(policy: Guarded, address: str) -> bool:
    try:
        policy.check_address(address)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_does_not_lead_to_the_internet_is_refused(url):
    with pytest.raises(Refused) as refusal:
        checked_url(url, INTERNET)
    assert refusal.value.code == Code.ADDRESS_REFUSED


@pytest.mark.parametrize("url", ALLOWED)
def test_an_address_on_the_internet_is_called(url):
    assert checked_url(url, INTERNET).scheme == "https"


def test_an_operator_may_add_a_port_and_a_private_network():
    hospital = Guarded(frozenset({443, 8443}), (PRIVATE,))
    assert str(checked_url("https://10.20.1.2:8443/fhir", hospital)) == "https://10.20.1.2:8443/fhir"
    assert allows(hospital, "::ffff:10.20.1.2")
    assert not allows(hospital, "10.21.0.1")


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "168.63.129.16", "0.0.0.1", "224.0.0.1", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::1",
     "2002:a9fe:a9fe::", "::1", "255.255.255.255"],
)  # fmt: skip
def test_no_operator_can_open_what_is_never_a_hospital(address):
    everything = Guarded(allowed=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
    assert not allows(everything, address)


def test_an_address_from_our_settings_still_needs_https_and_no_user():
    assert checked_url("https://127.0.0.1:7407/common", Trusted()).port == 7407
    for url in ("http://127.0.0.1:7407/", "https://me@127.0.0.1/", "https://0x7f.1/"):
        with pytest.raises(Refused):
            checked_url(url, Trusted())


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_called(address):
    if not address.is_global or address.is_multicast or address.is_link_local or address.is_loopback:
        assert not allows(INTERNET, str(address))


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_one_it_maps(address):
    assert allows(INTERNET, f"::ffff:{address}") == allows(INTERNET, str(address))


@given(st.ip_addresses(v=4))
def test_an_address_hidden_in_a_translation_prefix_is_refused(address):
    number = int(address)
    for hidden in (
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
    ):
        assert not allows(INTERNET, str(hidden))


@given(st.ip_addresses(v=4), st.sampled_from(["{0}", "0x{0:x}", "0{0:o}"]))
def test_a_number_is_never_read_as_an_address(address, form):
    with pytest.raises(Refused):
        checked_url(f"https://{form.format(int(address))}/", INTERNET)


@given(st.text(max_size=40), st.sampled_from(["{0}", "https://{0}", "https://{0}/path", "https://epic.example{0}"]))
def test_any_text_is_an_https_address_of_a_host_or_a_refusal(text, form):
    try:
        url = checked_url(form.format(text), INTERNET)
    except Refused:
        return
    assert (url.scheme, url.user, url.password, url.port) == ("https", None, None, 443)
    assert url.raw_host.isascii()


def test_two_urls_of_one_service_have_one_authority():
    assert authority("https://Epic.example:443/a") == authority("https://epic.example/b") == "epic.example"
    assert authority("https://epic.example:8443/") == "epic.example:8443"
