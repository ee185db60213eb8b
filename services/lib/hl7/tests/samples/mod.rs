//! Invented messages for the tests and the comparison of speeds.

/// A charge message with four charges, as charge systems send them; CR-ended.
pub(crate) const DFT: &str = concat!(
    "MSH|^~\\&|CHARGES|NORTH^1.2.3.4^ISO|ERP|HQ^9.9^ISO|20260301101530.1234+0100||DFT^P03^DFT_P03|C000017|P|2.5.1|||AL|NE|DEU|UNICODE UTF-8\r",
    "EVN|P03|20260301101530||||20260301101500\r",
    "PID|1||7000123^^^NORTH^MR~9988^^^STATE^SS~A-1&2^^^X&1.2&ISO^PI||Muster&van&Muster^Erika^Q^^^^L~Alias^E||19700230|F|||",
    "Weg 1^^Ort^^01234^DEU^H~Box 7^^Ort^^01234^DEU^M||0301^PRN^PH~0302^WPN^PH|||M||ACC7788^^^NORTH^AN|||||||||||||||||N\r",
    "PV1|1|I|W3^R12^B2^NORTH^^N^1^3|R|||1001^Arzt^Anna^^^Dr^^^NORTH&1.2&ISO|1002^Rat^Rudi|1003^Kon^Karl~1004^Sil^Sven|MED||||1|||1001^Arzt^Anna|IP|V5566^^^NORTH^VN",
    "|||||||||||||||||||||||||20260228120000|20260301090000\r",
    "FT1|1|T1001|B7|20260301081500|20260301101500|CG|4711^Office visit^CPT^L4711^Local text^LOC|Visit \\T\\ talk||2|25.50&EUR|12.75&EUR|D10^Cardio^L|SELF||W3^R12^B2|||I10^Hypertension^I10~E11^Diabetes^I10|1001^Arzt^Anna|||O77^LAB||4711^Office visit^CPT|25~59\r",
    "NTE|1|L|first line\\.br\\second \\X4A4B\\ line\r",
    "FT1|2|T1002|B7|20260301083000|20260301101500|CG|8005^Chemistry panel^CPT|Panel 14||1|130.00&EUR|130.00&EUR|D20^Lab^L|SELF||W3^R12^B2|||I10^Hypertension^I10|1002^Rat^Rudi|||O78^LAB||8005^Panel^CPT|\r",
    "FT1|3|T1003|B7|202603010900|20260301101500|CD|8005^Chemistry panel^CPT|Panel 14 \\F\\ twice||1|-130.00&EUR|130.00&EUR|D20^Lab^L|SELF||W3^R12^B2|||I10^Hypertension^I10|1002^Rat^Rudi|||O78^LAB||8005^Panel^CPT|\"\"\r",
    "ZFT|1|own^data|~~\r",
    "FT1|4|T1004|B7|20260301|20260301101500|CG|J1885^Ketorolac 15mg^HCPCS|Injection||3|19.50&EUR|6.50&EUR|D10^Cardio^L|SELF||W3^R12^B2|||I10^Hypertension^I10|1001^Arzt^Anna|||O79^PHA||J1885^Ketorolac^HCPCS|JW\r",
    "GT1|1||Muster^Erika||Weg 1^^Ort^^01234^DEU|0301||19700230|F|P|SE\r",
    "IN1|1|PLAN7^Basic|KK01|Kasse Nord|Allee 5^^Ort^^01234|||||||20260101|20261231||G|Muster^Erika|SEL|19700230|Weg 1^^Ort^^01234^DEU\r",
);

/// An admission with other delimiters and a truncation character.
pub(crate) const ADT_CUSTOM: &str = concat!(
    "MSH!*%$@#!REG!SOUTH*1.2!ERP!HQ!20260301!!ADT*A01!77!T!2.7\r",
    "PID!1!!8*4%%9!!Sub@part*Given!!\"\"!F\r",
    "PV1!1!I!A*1!!!!!!!!!!!!!!!!V$F$9\r",
    "ZZZ!$X4A$x!$P$\r",
);

/// A result with repetitions, line feeds as segment ends and blank lines behind.
pub(crate) const ORU_LF: &str = concat!(
    "MSH|^~\\&|LAB|EAST|ERP|HQ|20260301101530||ORU^R01|55|P|2.3||||||8859/1\n",
    "PID|||5^^^EAST\n",
    "OBR|1|A|B|GLU^Glucose\n",
    "OBX|1|NM|GLU^Glucose||98~99~\"\"|mg/dl|70-110|N|||F\n",
    "OBX|2|TX|REM||low \\S\\ high\\R\\ \\E\\ \\X0D\\ \\Zunknown\\ \\open\n",
    "\n\n",
);
