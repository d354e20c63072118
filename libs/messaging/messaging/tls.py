"""TLS as a client: whose certificates are trusted, and which one is shown. Files are PEM."""

import ssl


def create_context(ca_file: str) -> ssl.SSLContext:
    """TLS that trusts the authorities in a file, or the system's where none is named, and holds a server to its name.

    Raises ValueError, which names the file and says what is wrong with it.
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
    """Have `context` show a certificate with its chain, by its key, which has no passphrase. Errors as above."""
    try:
        for path in (cert_file, key_file):
            with open(path, "rb"):
                pass
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        said = f"{cert_file} and {key_file} are no certificate and its key in PEM without a passphrase"
        raise ValueError(f"{said} ({error.reason})") from None
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}") from None
