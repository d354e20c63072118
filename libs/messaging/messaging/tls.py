"""Creates TLS contexts for clients from PEM files: trusted authorities and the client's own certificate."""

import ssl


def create_context(ca_file: str) -> ssl.SSLContext:
    """Return a TLS context that verifies the server's certificate and host name.

    The context trusts the certificate authorities in `ca_file`, or those of the system when `ca_file` is empty. Raises
    `ValueError` when the file cannot be read or holds no certificate. The text of the error names the file.
    """
    if not ca_file:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ValueError(f"{ca_file} holds no certificate in PEM") from None
    except OSError as error:
        raise ValueError(f"{ca_file} cannot be read: {error.strerror}") from None


def load_certificate(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    """Make `context` present the certificate chain in `cert_file`. The private key in `key_file` has no passphrase.

    Raises `ValueError` when a file cannot be read, or when they are not a certificate in PEM and its key. The text of
    the error names the file or both files.
    """
    try:
        # load_cert_chain does not say which of the two files it cannot read.
        for path in (cert_file, key_file):
            with open(path, "rb"):
                pass
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        message = f"{cert_file} and {key_file} are no certificate and its key in PEM without a passphrase"
        raise ValueError(f"{message} ({error.reason})") from None
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}") from None
