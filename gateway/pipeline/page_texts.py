"""
The words of the built-in pages: for each name a title, what happened and what to do.

Words only. C{{host}} stands for the host that the client asked for; nothing else of a transaction is named here, no
address and no version, for a page is read by strangers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageText:
    """
    One page's words.

    @ivar title: a few words, also the page's heading.
    @ivar what: what happened, one or two sentences.
    @ivar do: what the reader can do.
    @ivar shows_detail: whether the reason given by the code or a plugin is shown; not where it may speak of what is
        behind the gateway.
    """

    title: str
    what: str
    do: str
    shows_detail: bool = False


_TRY_LATER = "Try again in a few minutes. If it stays like this, tell the operators and give them the request id below."
_TELL = "If you need this, ask the operators of this gateway and give them the request id below."
_CLIENT_FAULT = "Try again with another program or a newer version of it. If it stays like this, tell whoever maintains it."
_CHECK_ADDRESS = "Check that the address is spelt right. If it is, the site itself may be at fault: try again later."
_SITE_MUST_MEND = "Only whoever runs the site can mend this: try again later, or tell them."
_SITE_OR_TRUST = (
    "If you know the site and need it, ask the operators of this gateway and give them the request id below: the setting "
    "tls.trust names whom the gateway trusts."
)
_SITE_UNSAFE = "Check that the address is spelt right. If it is, somebody may stand between you and the site: do not go around this."

#: For names that nobody wrote words for, such as those of plugins: refusals and failures.
OTHER_REFUSAL = PageText(
    "Request refused", "This request was refused by a rule of this gateway.", _TELL, True
)
OTHER_ERROR = PageText(
    "Something went wrong", "The gateway could not serve this request.", _TRY_LATER
)

#: In place of C{scan_infected} where it was found before and nothing was fetched.
SCANNED_BEFORE = PageText(
    "Malware was found here before",
    "What this address gave a while ago held malware, and the site says that it is still the same, so it was not passed on.",
    "Do not look for another way to get it. If you think that this is a mistake, ask the operators of this gateway and "
    "give them the request id below.",
    True,
)

#: What can be done, by what a scan said, where that is more than the page of that name says.
SCAN_ADVICE: dict[str, str] = {
    "encrypted": "Ask whoever made it for a copy without a password. If there can be none, ask the operators of this "
    "gateway and give them the request id below.",
    "malformed": "Try again, as it may have been damaged on its way. If it stays like this, whoever made it should make it "
    "anew with another program.",
    "limit": "Ask whoever made it to pack it in fewer layers, or in parts. If it has to be like this, ask the operators of "
    "this gateway and give them the request id below.",
    "too_large": "Ask whoever made it for it in smaller parts. If it has to be that large, ask the operators of this gateway "
    "and give them the request id below.",
    "unscanned": "If you asked for a part of a file, ask for the whole. If you need this, ask the operators of this gateway "
    "and give them the request id below.",
}

TEXTS: dict[str, PageText] = {
    "bad_request": PageText(
        "Bad request",
        "The program you use sent a request that does not follow the rules of HTTP, so it was not passed on.",
        _CLIENT_FAULT,
        True,
    ),
    "bad_scheme": PageText(
        "This kind of address can't be fetched",
        "The gateway fetches http and https addresses only.",
        "Check the beginning of the address.",
    ),
    "ambiguous_path": PageText(
        "The address is ambiguous",
        "The path of this address can be read in more than one way, so it was not passed on.",
        "Leave out encoded slashes and dots.",
        True,
    ),
    "bad_target": PageText(
        "The address can't be understood",
        "The request names something that is not an address of the web, so it was not passed on.",
        "Check that the address is spelt right.",
        True,
    ),
    "not_a_proxy_request": PageText(
        "This is a proxy",
        "This is a proxy and no web server: it expects the whole address in each request, as browsers send it once "
        "they are told of a proxy.",
        "Enter this address and port as the proxy in your browser's or system's settings; with curl, say -x and the "
        "proxy's address.",
    ),
    "too_large_head": PageText(
        "The request's fields are too large",
        "The fields of this request, often cookies among them, are larger or more than the gateway takes.",
        "Delete the cookies of this site and try again.",
        True,
    ),
    "uri_too_long": PageText(
        "The address is too long",
        "The address of this request is longer than the gateway takes.",
        "Use a shorter address; a form with much text should be sent by POST.",
        True,
    ),
    "not_allowed": PageText(
        "You are not allowed to use this gateway",
        "Your computer's address is not among those that this gateway serves.",
        "If it should be, ask the operators: the setting is forward.allow_from.",
    ),
    "authenticate": PageText(
        "Please sign in",
        "This gateway serves only people who say who they are, and your name and password did not come or did not fit.",
        "Sign in with the name and password that you were given for this gateway.",
        True,
    ),
    "forbidden_destination": PageText(
        "This destination is not allowed",
        "{host} leads to an address that this gateway may not connect to.",
        _TELL,
    ),
    "port_not_allowed": PageText(
        "This port is not allowed",
        "Connections to this port of {host} may not be made through this gateway.",
        "If it is needed, ask the operators: the setting is forward.connect_ports.",
    ),
    "loop": PageText(
        "The request runs in a circle",
        "This request has come through this gateway before, so passing it on would never end.",
        "Tell the operators: a parent proxy or an origin leads back to this gateway.",
    ),
    "misdirected": PageText(
        "This site is not served here",
        "{host} is not a site of this server.",
        "Check the address. If it is right, its DNS entry may lead to the wrong server.",
    ),
    "no_site": PageText(
        "There is nothing here",
        "{host} is served here, but nothing under this path.",
        "Check the address.",
    ),
    "method_not_allowed": PageText(
        "This method is not allowed",
        "Requests of this kind are not taken for this address.",
        _CLIENT_FAULT,
        True,
    ),
    "expectation_failed": PageText(
        "An expectation can't be met",
        "The request expects something of the gateway that it does not know.",
        _CLIENT_FAULT,
        True,
    ),
    "not_implemented": PageText(
        "Not implemented",
        "The request uses a part of HTTP that this gateway does not know, so it was not passed on.",
        _CLIENT_FAULT,
        True,
    ),
    "version": PageText(
        "HTTP version not supported",
        "The request uses a version of HTTP that is not spoken here.",
        _CLIENT_FAULT,
    ),
    "request_timeout": PageText(
        "The request took too long",
        "The request did not arrive whole in the time that this gateway waits for one.",
        "Try again. If it stays like this, your connection to this gateway may be bad.",
    ),
    "upload_limit": PageText(
        "The upload is too large",
        "What you sent is larger than this gateway passes on.",
        "Send less at a time. If it must be that large, ask the operators to raise the setting that sets this limit; "
        "usually that is limits.upload.",
        True,
    ),
    "name_not_found": PageText(
        "The site was not found",
        "There is no site of the name {host}.",
        "Check that the address is spelt right.",
    ),
    "name_timeout": PageText(
        "The site's name could not be looked up",
        "The name servers did not answer in time when they were asked for {host}.",
        _TRY_LATER,
    ),
    "name_error": PageText(
        "The site's name could not be looked up",
        "The name servers answered with an error when they were asked for {host}.",
        _TRY_LATER,
    ),
    "no_origin": PageText(
        "The site is out of order",
        "None of the servers of {host} is in service at the moment.",
        _TRY_LATER,
    ),
    "refused": PageText(
        "The site does not accept connections",
        "The server of {host} refused the connection.",
        _CHECK_ADDRESS,
    ),
    "unreachable": PageText(
        "The site can't be reached",
        "There is no way to the server of {host} at the moment.",
        _CHECK_ADDRESS,
    ),
    "connect_timeout": PageText(
        "The site does not answer",
        "The server of {host} did not take the connection in time.",
        _CHECK_ADDRESS,
    ),
    "upstream_timeout": PageText(
        "The site takes too long",
        "The server of {host} took the request but did not answer in time.",
        "Try again later. What you sent may have been carried out all the same.",
    ),
    "upstream_closed": PageText(
        "The site broke off",
        "The server of {host} closed the connection before it had answered.",
        "Try again. What you sent may have been carried out all the same.",
    ),
    "upstream_protocol": PageText(
        "The site's answer can't be understood",
        "The server of {host} answered with something that does not follow the rules of HTTP, so it was not passed on.",
        "Try again later. If it stays like this, tell whoever runs the site.",
    ),
    "upstream_error": PageText(
        "The site could not be fetched",
        "The connection to the server of {host} failed.",
        _CHECK_ADDRESS,
    ),
    "tls_not_verified": PageText(
        "The site could not be verified",
        "The certificate of {host} could not be judged, so no connection was made to be on the "
        "safe side.",
        _TRY_LATER,
    ),
    "tls_revoked": PageText(
        "The site's certificate was revoked",
        "Whoever issued the certificate of {host} has taken it back, often because somebody stole "
        "its key. Nothing was sent there.",
        _SITE_UNSAFE,
    ),
    "tls_self_signed": PageText(
        "Nobody vouches for this site",
        "The certificate of {host} is signed by itself, so anybody could have made it. Nothing "
        "was sent there.",
        _SITE_OR_TRUST,
    ),
    "tls_unknown_root": PageText(
        "This site's certificate is not trusted",
        "The certificate of {host} comes from an authority that this gateway does not trust. "
        "Nothing was sent there.",
        _SITE_OR_TRUST,
    ),
    "tls_incomplete_chain": PageText(
        "The site's certificate came without its issuer's",
        "{host} does not send all the certificates that are needed to verify its own. Some "
        "browsers find the missing one elsewhere; this gateway does not. Nothing was sent there.",
        _SITE_MUST_MEND,
    ),
    "tls_bad_signature": PageText(
        "The site's certificate is forged or damaged",
        "A signature in the certificates of {host} is wrong. Nothing was sent there.",
        _SITE_UNSAFE,
    ),
    "tls_path_length": PageText(
        "The site's chain of certificates is too long",
        "The certificates of {host} have more authorities between them than those allow. Nothing "
        "was sent there.",
        _SITE_MUST_MEND,
    ),
    "tls_key_usage": PageText(
        "The site's certificate is for another use",
        "A certificate of {host}, or of an authority above it, was not issued for this use. "
        "Nothing was sent there.",
        _SITE_MUST_MEND,
    ),
    "tls_name_constraints": PageText(
        "The site's certificate oversteps its authority",
        "The certificate of {host} is for names that the authority which issued it may not "
        "certify. Nothing was sent there.",
        _SITE_UNSAFE,
    ),
    "tls_bad_certificate": PageText(
        "The site's certificate is not valid",
        "The certificate of {host} does not follow the rules for certificates. Nothing was sent "
        "there.",
        _SITE_MUST_MEND,
    ),
    "tls_wrong_host": PageText(
        "This certificate is for another site",
        "The server that answered for {host} has a certificate for other names. It may be the "
        "wrong server. Nothing was sent there.",
        _SITE_UNSAFE,
    ),
    "tls_expired": PageText(
        "The site's certificate has expired",
        "The certificate of {host}, or of an authority above it, is out of date. Nothing was sent "
        "there.",
        _SITE_MUST_MEND,
    ),
    "tls_not_yet_valid": PageText(
        "The site's certificate is not valid yet",
        "The certificate of {host}, or of an authority above it, is from the future. Nothing was "
        "sent there.",
        _SITE_MUST_MEND,
    ),
    "tls_weak_signature": PageText(
        "The site's certificate could be a forgery",
        "The certificate of {host} is signed in a way that can be forged today. Nothing was sent "
        "there.",
        _SITE_MUST_MEND,
    ),
    "tls_weak_key": PageText(
        "The site's key is too weak",
        "{host} uses a key that can be broken today. Nothing was sent there.",
        _SITE_MUST_MEND,
    ),
    "tls_revocation_unknown": PageText(
        "It can't be told whether the site's certificate was revoked",
        "What says whether the certificate of {host} was taken back is missing, out of date or "
        "wrong. Nothing was sent there.",
        _TRY_LATER,
    ),
    "tls_version": PageText(
        "The site's encryption is out of date",
        "{host} speaks no version of TLS that this gateway takes.",
        _SITE_MUST_MEND,
    ),
    "tls_no_shared_cipher": PageText(
        "The site's encryption does not fit",
        "{host} and this gateway have no way to encrypt in common.",
        _SITE_MUST_MEND,
    ),
    # Nobody sees it: there was no TLS to show it in.
    "tls_client": PageText(
        "No secure connection",
        "This client and the gateway did not come to a secure connection.",
        _TELL,
    ),
    "tls_client_certificate": PageText(
        "The site wants a certificate",
        "{host} takes only those who show a certificate that it knows, and this gateway has none "
        "for it or not the right one.",
        _TELL,
    ),
    "tls_http2_only": PageText(
        "The site speaks HTTP/2 only",
        "{host} takes nothing but HTTP/2 within encrypted connections, which this gateway does not read.",
        _TELL,
        True,
    ),
    "tls_alert": PageText(
        "The site refused the encrypted connection",
        "{host} broke off while the encrypted connection was being made, and said that something "
        "was wrong.",
        _CHECK_ADDRESS,
    ),
    "tls_not_tls": PageText(
        "The site does not encrypt",
        "What answered at {host} does not speak TLS.",
        "Check the address: perhaps it should begin with http, or have another port.",
    ),
    "tls_closed": PageText(
        "The site broke off",
        "{host} closed the connection while encryption was being set up.",
        _CHECK_ADDRESS,
    ),
    "tls_timeout": PageText(
        "The site takes too long",
        "{host} took the connection and then did not set up encryption in time.",
        _CHECK_ADDRESS,
    ),
    "tls_bad_handshake": PageText(
        "No encrypted connection could be made",
        "Setting up encryption with {host} failed.",
        _CHECK_ADDRESS,
    ),
    "parent_refused": PageText(
        "The next proxy refused the request",
        "This gateway reaches {host} through another proxy, and that one did not let the request through.",
        _TRY_LATER,
    ),
    "overloaded": PageText(
        "Too much to do",
        "There is more to do at the moment than can be served.",
        "Try again in a moment.",
    ),
    "draining": PageText(
        "Going down for maintenance",
        "This gateway is about to stop and takes no new requests.",
        "Try again in a moment.",
    ),
    "auth_unavailable": PageText(
        "Nobody can sign in at the moment",
        "Your name and password can't be checked, as what knows them does not answer. They may well be right.",
        _TRY_LATER,
    ),
    "plugin_error": PageText(
        "A check could not be made",
        "A part of this gateway that has to judge this request failed, so the request was refused to be on the safe side.",
        _TRY_LATER,
    ),
    "scan_infected": PageText(
        "Malware was found",
        "What was to be sent holds malware, or looks like it, so it was not passed on.",
        "Do not look for another way to get it. If you think that this is a mistake, ask the operators of this gateway "
        "and give them the request id below.",
        True,
    ),
    "scan_refused": PageText(
        "This could not be scanned",
        "What was to be sent has to be scanned for malware and can't be, so it was not passed on. Nothing bad was found.",
        _TELL,
        True,
    ),
    "scan_forbidden": PageText(
        "Content of this kind is not allowed",
        "A rule of this gateway does not let content of this kind pass. Nothing bad was found in it.",
        _TELL,
        True,
    ),
    "scan_failed": PageText(
        "The scan failed",
        "What was to be sent has to be scanned for malware, and the scanner of this gateway could not do that. Nothing "
        "bad was found.",
        _TRY_LATER,
    ),
    "scan_capacity": PageText(
        "No scan capacity",
        "What was to be sent has to be scanned for malware, and there is no scan capacity left at the moment. Nothing "
        "bad was found.",
        "Try again in a moment.",
    ),
    "progress_unknown": PageText(
        "There is no such download",
        "Under this address there is only ever a download that is being checked, for the one who began it. There is none.",
        "Begin the download anew at the address of the file.",
    ),
    "progress_over": PageText(
        "This download is over",
        "It was handed over, which happens only once, or it took too long, or nobody asked for it any more.",
        "Begin the download anew at the address of the file if you still want it.",
    ),
    "blocked": PageText(
        "Blocked", "A rule of this gateway does not allow this request.", _TELL, True
    ),
    "gateway_error": PageText(
        "An error of the gateway",
        "The gateway itself made a mistake with this request; it was noted.",
        _TRY_LATER,
    ),
    "error": OTHER_ERROR,
}
