"""CAP 1.2 messages for the tests."""

from __future__ import annotations

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SENT = "2027-01-15T16:00:00+07:00"
NAME = f"dbtv@kttv.example,VN-2027-001,{SENT}"
INFO = """
 <info>
  <language>vi-VN</language><category>Met</category><event>Lũ quét</event>
  <responseType>Evacuate</responseType><urgency>Immediate</urgency>
  <severity>Extreme</severity><certainty>Observed</certainty>
  <expires>2027-01-15T18:00:00+07:00</expires>
  <senderName>Đài KTTV tỉnh Lạng Sơn</senderName>
  <headline>Lũ quét ở xã Hữu Liên</headline>
  <description>Nước lên nhanh.</description>
  <resource><resourceDesc>mp3</resourceDesc><mimeType>audio/mpeg</mimeType>
   <uri>https://evil.example/say-this.mp3</uri></resource>
  <area><areaDesc>Xã Hữu Liên</areaDesc>
   <geocode><valueName>DVHC</valueName><value>06313</value></geocode></area>
 </info>
"""


def cap(
    *,
    status: str = "Actual",
    kind: str = "Alert",
    scope: str = "Public",
    references: str = "",
    infos: str = INFO,
    identifier: str = "VN-2027-001",
    head: str = '<?xml version="1.0" encoding="UTF-8"?>',
) -> bytes:
    """Return a message as bytes."""
    refers = f"<references>{references}</references>" if references else ""
    return (
        f'{head}\n<alert xmlns="{NAMESPACE}"><identifier>{identifier}</identifier>'
        f"<sender>dbtv@kttv.example</sender><sent>{SENT}</sent><status>{status}</status>"
        f"<msgType>{kind}</msgType><scope>{scope}</scope>{refers}{infos}</alert>"
    ).encode()
